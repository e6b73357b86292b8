import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SEED, ascii, base32 } from '../../tests/totp-codes.ts';
import { settings } from '../../tests/databases/settings.ts';
import { TOTP, TotpError } from './totp.js';

/** Texts that are refused, with the error code. */
const REFUSED: [string, TotpError['code']][] = [
	['3132333435363738393031323334353637383930', 'totp_secret_looks_hex'],
	['DEADBEEFDEADBEEFDEADBEEFDEADBEE0', 'totp_secret_looks_hex'],
	['550e8400-e29b-41d4-a716-446655440000', 'totp_secret_looks_hex'],
	[`${'A'.repeat(31)}1`, 'totp_secret_looks_hex'],
	[`${'Z'.repeat(31)}0`, 'totp_secret_not_base32'],
	[`${'Z'.repeat(31)}1`, 'totp_secret_not_base32'],
	[`${'Z'.repeat(31)}8`, 'totp_secret_not_base32'],
	[`${'Z'.repeat(31)}9`, 'totp_secret_not_base32'],
	[`${'Z'.repeat(31)}_`, 'totp_secret_not_base32'],
	[`${'Z'.repeat(31)}ı`, 'totp_secret_not_base32'], // upper-cased, it would be I
	[`${'Z'.repeat(31)}ſ`, 'totp_secret_not_base32'], // upper-cased, it would be S
	[`MY======${'Z'.repeat(24)}`, 'totp_secret_not_base32'],
	['Z'.repeat(33), 'totp_secret_bad_length'],
	['Z'.repeat(35), 'totp_secret_bad_length'],
	['Z'.repeat(38), 'totp_secret_bad_length'],
	[`${'Z'.repeat(26)}=`, 'totp_secret_bad_length'],
	[`${'Z'.repeat(26)}${'='.repeat(14)}`, 'totp_secret_bad_length'],
	[`${'Z'.repeat(32)}${'='.repeat(8)}`, 'totp_secret_bad_length'],
];

afterEach(() => {
	vi.restoreAllMocks();
});

describe('base32', () => {
	const totp = new TOTP(SEED);
	const decoded = (text: string) => new TextDecoder().decode(totp.base32ToUint8Array(text));

	test.for([
		['', ''],
		['MY======', 'f'],
		['MZXQ====', 'fo'],
		['MZXW6===', 'foo'],
		['MZXW6YQ=', 'foob'],
		['MZXW6YTB', 'fooba'],
		['MZXW6YTBOI======', 'foobar'],
	] as const)('RFC 4648, section 10: %s, with and without padding', ([text, expected]) => {
		expect(decoded(text)).toBe(expected);
		expect(decoded(text.replaceAll('=', ''))).toBe(expected);
	});

	test('encoded bytes are decoded, however people wrote them down', () => {
		const separators = fc.array(fc.constantFrom('', ' ', '-', '\t', '\n'), { minLength: 1 });
		fc.assert(
			fc.property(fc.uint8Array(), fc.boolean(), separators, (bytes, lower, between) => {
				const text = lower ? base32(bytes).toLowerCase() : base32(bytes);
				const written = [...text].map((symbol, i) => symbol + between[i % between.length]).join('');
				expect(totp.base32ToUint8Array(written)).toEqual(bytes);
			}),
			settings(1000).check,
		);
	});

	test('padding may be separated like everything else', () => {
		expect(decoded('mzxw 6ytb-oi== ====\n')).toBe('foobar');
	});

	test('the unused bits of the last character do not count', () => {
		expect(['MY', 'MZ', 'M2', 'M3'].map(decoded)).toEqual(['f', 'f', 'f', 'f']);
		expect(['MZXQ', 'MZXR', 'MZX7'].map(decoded)).toEqual(['fo', 'fo', 'fo']);
	});

	test.for(REFUSED)('%s is refused: %s', ([text, code]) => {
		expect(() => totp.base32ToUint8Array(text)).toThrow(refusal(code));
	});

	test('hexadecimal is reported as such, unless it happens to be base32', () => {
		const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: 1 });
		fc.assert(
			fc.property(hex, (text) => {
				fc.pre(/[0189]/.test(text));
				expect(() => totp.base32ToUint8Array(text)).toThrow(refusal('totp_secret_looks_hex'));
			}),
			settings(1000).check,
		);
		expect(totp.base32ToUint8Array('abcdef23')).toHaveLength(5);
	});
});

describe('the secret', () => {
	test.for([
		['', 'totp_secret_missing'],
		['A', 'totp_secret_bad_length'],
		[' - ', 'totp_secret_too_short'],
		['JBSWY3DPEHPK3PXP', 'totp_secret_too_short'],
		[base32(ascii(15)), 'totp_secret_too_short'],
		...REFUSED,
	] as const)('"%s" is refused at once: %s', ([secret, code]) => {
		expect(() => new TOTP(secret)).toThrow(refusal(code));
	});

	test('128 bits are enough', () => {
		expect(() => new TOTP(base32(ascii(16)))).not.toThrow();
	});

	test.for(REFUSED)('the error for %s is one line that does not contain it', ([secret]) => {
		const message = messageOf(() => new TOTP(secret));
		expect(message).toMatch(/^[^\n]*`npm run setup`[^\n]*$/);
		expect(message).not.toContain(secret);
	});
});

describe('codes', () => {
	test('RFC 4226, Appendix D: counters 0 to 9', async () => {
		const totp = new TOTP(SEED);
		const counters = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
		expect(await Promise.all(counters.map((n) => totp.generateTOTP(n * 30)))).toEqual([
			'755224',
			'287082',
			'359152',
			'969429',
			'338314',
			'254676',
			'287922',
			'162583',
			'399871',
			'520489',
		]);
	});

	// Erratum 2866: the seeds of SHA-256 and SHA-512 are as long as their digests.
	test.for([
		[59, '94287082', '46119246', '90693936'],
		[1111111109, '07081804', '68084774', '25091201'],
		[1111111111, '14050471', '67062674', '99943326'],
		[1234567890, '89005924', '91819424', '93441116'],
		[2000000000, '69279037', '90698825', '38618901'],
		[20000000000, '65353130', '77737706', '47863826'],
	] as const)('RFC 6238, Appendix B: %i seconds', async ([seconds, sha1, sha256, sha512]) => {
		const code = (algorithm: 'SHA-1' | 'SHA-256' | 'SHA-512', seed: number) =>
			new TOTP(base32(ascii(seed)), 8, 30, { algorithm }).generateTOTP(seconds);
		expect(await code('SHA-1', 20)).toBe(sha1);
		expect(await code('SHA-256', 32)).toBe(sha256);
		expect(await code('SHA-512', 64)).toBe(sha512);
	});

	// Expected: oathtool --hotp -c COUNTER -d 8 -b SEED
	test.for([
		[2 ** 32, '55999456'],
		[2 ** 32 + 1, '39108930'],
		[Number.MAX_SAFE_INTEGER, '41891307'],
	] as const)('counter %i needs more than 32 bits', async ([counter, code]) => {
		expect(await new TOTP(SEED, 8, 1).generateTOTP(counter)).toBe(code);
	});

	test('a code is valid for exactly one step', async () => {
		const totp = new TOTP(SEED);
		const codes = await Promise.all([30, 30.5, 59, 59.999, 60].map((t) => totp.generateTOTP(t)));
		expect(codes).toEqual(['287082', '287082', '287082', '287082', '359152']);
	});

	test('the step is in seconds', async () => {
		expect(await new TOTP(SEED, 6, 60).generateTOTP(119)).toBe('287082');
	});

	test.for([-1, -0.001, NaN, Infinity, -Infinity, 2 ** 60])(
		'%d seconds is not a time',
		async (seconds) => {
			await expect(new TOTP(SEED).generateTOTP(seconds)).rejects.toThrow(RangeError);
		},
	);

	test('the HMAC key is imported once', async () => {
		const importKey = vi.spyOn(crypto.subtle, 'importKey');
		const totp = new TOTP(SEED);
		await totp.generateTOTP(59);
		await totp.verify('000000', 59_000);
		expect(importKey).toHaveBeenCalledTimes(1);
	});
});

test.for([5, 9, 6.5, NaN])('%d digits are refused', (digits) => {
	expect(() => new TOTP(SEED, digits)).toThrow(RangeError);
});

test.for([0, -30, 0.5, NaN, Infinity])('a step of %d seconds is refused', (step) => {
	expect(() => new TOTP(SEED, 6, step)).toThrow(RangeError);
});

test.for(['SHA1', 'SHA-384', 'MD5'])('the algorithm %s is refused', (algorithm) => {
	expect(() => new TOTP(SEED, 6, 30, { algorithm: algorithm as 'SHA-1' })).toThrow(RangeError);
});

function refusal(code: TotpError['code']) {
	return expect.toSatisfy((error) => error instanceof TotpError && error.code === code);
}

function messageOf(call: () => unknown): string {
	try {
		call();
	} catch (error) {
		if (error instanceof Error) return error.message;
	}
	throw new Error('Nothing was thrown.');
}
