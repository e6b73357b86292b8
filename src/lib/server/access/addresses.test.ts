import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowedAddresses, networkOf, requireAllowed } from './addresses.ts';

function isAllowed(list: string, address: string): boolean {
	const ranges = allowedAddresses({ BACKUP_ALLOWED_IPS: list });
	try {
		if (ranges) requireAllowed(ranges, address);
		return true;
	} catch (error) {
		expect(error).toMatchObject({ code: 'address_not_allowed', status: 403 });
		return false;
	}
}

describe('BACKUP_ALLOWED_IPS', () => {
	const list = '192.0.2.7, 198.51.100.0/24\n2001:db8:1::/48  2001:db8::5';

	test.for([
		['192.0.2.7', true],
		['192.0.2.8', false],
		['198.51.100.0', true],
		['198.51.100.255', true],
		['198.51.101.0', false],
		['::ffff:198.51.100.9', true],
		['::ffff:c633:6409', true],
		['2001:db8:1:ffff::1', true],
		['2001:db8:2::1', false],
		['2001:0DB8:0:0::5', true],
		['2001:db8::6', false],
		['', false],
		['unknown', false],
		['198.51.100.9, 203.0.113.1', false],
		['198.51.25609', false],
		['3325256713', false],
	] as const)('lets %j call: %j', ([address, allowed]) => {
		expect(isAllowed(list, address)).toBe(allowed);
	});

	test.for([undefined, '', ' , \n'])('that is %j lets all call', (text) => {
		expect(allowedAddresses(text === undefined ? {} : { BACKUP_ALLOWED_IPS: text })).toBeNull();
	});

	test.for([
		'x',
		'192.0.2',
		'192.0.2.7/33',
		'2001:db8::/129',
		'192.0.2.256',
		'1',
		'*',
		'192.0.2.7-9',
	])('with %s is refused by its number alone', (bad) => {
		const read = () => allowedAddresses({ BACKUP_ALLOWED_IPS: `192.0.2.7 ${bad}` });
		expect(read).toThrow(expect.objectContaining({ code: 'backup_allowed_ips_invalid' }));
		expect(read).toThrow('Entry 2 in BACKUP_ALLOWED_IPS is no address and no range.');
	});

	test('holds an address exactly when its first bits are those of the range', () => {
		const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
		fc.assert(
			fc.property(bytes, bytes, fc.integer({ min: 0, max: 32 }), (range, address, bits) => {
				const binary = (of: Uint8Array) =>
					[...of].map((b) => b.toString(2).padStart(8, '0')).join('');
				const same = binary(range).slice(0, bits) === binary(address).slice(0, bits);
				expect(isAllowed(`${range.join('.')}/${bits}`, address.join('.'))).toBe(same);
			}),
		);
	});
});

test.for([
	['192.0.2.7', '192.0.2.7'],
	['::ffff:192.0.2.7', '192.0.2.7'],
	['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
	['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
	['2001:db8:1:3::', '2001:db8:1:3::/64'],
	['', 'unknown'],
	['nonsense', 'unknown'],
] as const)('%j counts as %s', ([address, network]) => {
	expect(networkOf(address)).toBe(network);
});
