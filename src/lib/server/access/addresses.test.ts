import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settings } from '../../../../tests/databases/settings.ts';
import { allowedAddresses, networkOf, requireAllowed } from './addresses.ts';

const refused = expect.objectContaining({ code: 'address_not_allowed', status: 403 });

describe('the list of addresses that may call', () => {
	test.for([
		['192.0.2.7', '192.0.2.7', '192.0.2.8'],
		['198.51.100.0/24', '198.51.100.255', '198.51.101.0'],
		['198.51.100.77/24', '198.51.100.0', '198.51.99.255'],
		['10.0.0.0/9', '10.127.255.255', '10.128.0.0'],
		['0.0.0.0/0', '203.0.113.9', '2001:db8::1'],
		['192.0.2.7/32', '192.0.2.7', '192.0.2.6'],
		['2001:db8::7', '2001:0DB8:0:0::7', '2001:db8::8'],
		['2001:db8::/32', '2001:db8:ffff::1', '2001:db9::'],
		['2001:db8::/33', '2001:db8:7fff::1', '2001:db8:8000::1'],
		['::/0', '2001:db8::1', '203.0.113.9'],
		['192.0.2.0/24', '::ffff:192.0.2.1', '::ffff:192.0.3.1'],
		['192.0.2.1', '::ffff:c000:201', '64:ff9b::192.0.2.1'],
		['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.2'],
		['::ffff:192.0.2.0/120', '192.0.2.255', '192.0.3.0'],
		['::ffff:0:0/96', '203.0.113.9', '2001:db8::1'],
		['::/0', '::1', '::ffff:192.0.2.1'],
	] as const)('%s has %s, and not %s', ([BACKUP_ALLOWED_IPS, inside, outside]) => {
		const list = allowedAddresses({ BACKUP_ALLOWED_IPS });
		expect(() => requireAllowed(list, inside)).not.toThrow();
		expect(() => requireAllowed(list, outside)).toThrow(refused);
	});

	test('may separate its entries by white space or commas', () => {
		const list = allowedAddresses({
			BACKUP_ALLOWED_IPS: ' 192.0.2.7,198.51.100.0/24\n\t2001:db8::1 , ',
		});
		for (const address of ['192.0.2.7', '198.51.100.9', '2001:db8::1']) {
			expect(() => requireAllowed(list, address)).not.toThrow();
		}
		expect(() => requireAllowed(list, '192.0.2.8')).toThrow(refused);
	});

	test.for([
		'',
		'unknown',
		'192.0.2.7 ',
		'192.0.2',
		'192.0.2.07',
		'192.0.2.7/32',
		'::1%eth0',
		'::g',
	])('never includes the address "%s"', (address) => {
		const list = allowedAddresses({ BACKUP_ALLOWED_IPS: '0.0.0.0/0 ::/0' });
		expect(() => requireAllowed(list, address)).toThrow(refused);
	});

	test.for([undefined, {}, { BACKUP_ALLOWED_IPS: '' }, { BACKUP_ALLOWED_IPS: ' \n' }])(
		'is absent with %o, so that every address may call',
		(env) => {
			const list = allowedAddresses(env);
			expect(list).toBeNull();
			expect(() => requireAllowed(list, '203.0.113.9')).not.toThrow();
			expect(() => requireAllowed(list, '')).not.toThrow();
		},
	);

	test.for([
		...['example.com', '192.0.2.256', '192.0.2', '3221225985', '0xc0.0.2.1', '192.0.2.01', '*'],
		...['192.0.2.0/33', '192.0.2.0/', '/24', '192.0.2.0/-1', '192.0.2.0/24/24', '192.0.2.0/a'],
		...[
			'2001:db8::/129',
			'2001:db8',
			'2001:db8::1::',
			'fe80::1%eth0',
			'[2001:db8::1]',
			'192.0.2.*',
		],
		...['::ffff:192.0.2.0/95', '192.0.2.1-192.0.2.9', '192.0.2.1:443', '192.0.2.0/255.255.255.0'],
	])('with "%s" is refused, and the error names the position but not the value', (entry) => {
		const list = () => allowedAddresses({ BACKUP_ALLOWED_IPS: `192.0.2.7, ${entry} 2001:db8::1` });
		expect(list).toThrow(
			expect.objectContaining({
				...{ code: 'backup_allowed_ips_invalid', status: 500 },
				message: 'Entry 2 in BACKUP_ALLOWED_IPS is neither an address nor a network.',
			}),
		);
		expect(list).toThrow(
			expect.objectContaining({ hint: expect.not.stringContaining(` ${entry} `) }),
		);
	});

	test('accepts the addresses that a URL accepts, in their canonical form', () => {
		const close = fc.string({ unit: fc.constantFrom(...'0123456789abcdefx.::') });
		fc.assert(
			fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6(), close), (text) => {
				fc.pre(text !== '');
				const list = () => allowedAddresses({ BACKUP_ALLOWED_IPS: text });
				const isAddress = URL.canParse(`http://[${text}]`) || isFourNumbers(text);
				if (!isAddress) expect(list).toThrow(/Entry 1 /);
				else expect(() => requireAllowed(list(), text)).not.toThrow();
			}),
			settings(2000).check,
		);
	});

	test('matches the addresses that share the first bits of a network', () => {
		const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
		const bits = fc.integer({ min: 0, max: 32 });
		const near = fc.tuple(word, bits, bits, word);
		fc.assert(
			fc.property(near, ([start, prefix, shared, rest]) => {
				const apart = 2 ** (32 - shared);
				const address = start - (start % apart) + (rest % apart);
				const size = 2 ** (32 - prefix);
				const inside = Math.floor(start / size) === Math.floor(address / size);
				const list = allowedAddresses({ BACKUP_ALLOWED_IPS: `${dotted(start)}/${prefix}` });
				const call = () => requireAllowed(list, dotted(address));
				if (inside) expect(call).not.toThrow();
				else expect(call).toThrow(refused);
			}),
			settings(1000).check,
		);
	});
});

describe('the network of a caller', () => {
	test.for([
		['203.0.113.9', '203.0.113.9'],
		['::ffff:203.0.113.9', '203.0.113.9'],
		['::ffff:cb00:7109', '203.0.113.9'],
		['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
		['2001:DB8:1:2::', '2001:db8:1:2::/64'],
		['::1', '::/64'],
		['', 'unknown'],
		['unknown', 'unknown'],
		['203.0.113', 'unknown'],
		['203.0.113.9, 203.0.113.8', 'unknown'],
		['fe80::1%eth0', 'unknown'],
	] as const)('at "%s" is %s', ([address, network]) => {
		expect(networkOf(address)).toBe(network);
	});

	test('is the first 64 bits of an IPv6 address', () => {
		const part = fc.integer({ min: 0, max: 0xffff });
		// Not all zeros, with which the addresses that map IPv4 begin.
		const first = fc.tuple(fc.integer({ min: 0x2000, max: 0x3fff }), part, part, part);
		const last = fc.tuple(part, part, part, part);
		fc.assert(
			fc.property(first, fc.nat(3), last, last, (a, at, x, y) => {
				const b = a.map((value, index) => (index === at ? value ^ 1 : value));
				expect(networkOf(ipv6(a, x))).toBe(networkOf(ipv6(a, y)));
				expect(networkOf(ipv6(a, x))).not.toBe(networkOf(ipv6(b, x)));
			}),
			settings(1000).check,
		);
	});
});

function isFourNumbers(text: string): boolean {
	const numbers = text.split('.').map(Number);
	return numbers.length === 4 && numbers.every((n) => n < 256) && numbers.join('.') === text;
}

function dotted(number: number): string {
	return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

function ipv6(first: number[], last: number[]): string {
	return [...first, ...last].map((part) => part.toString(16)).join(':');
}
