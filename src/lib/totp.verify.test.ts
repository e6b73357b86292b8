import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SEED, base32 } from '../../tests/totp-codes.ts';
import { settings } from '../../tests/databases/settings.ts';
import { TOTP } from './totp.js';

afterEach(() => {
	vi.restoreAllMocks();
});

describe('verify', () => {
	const seconds = fc.integer({ min: 61, max: 2 ** 40 });
	const setting = fc.tuple(
		fc.uint8Array({ minLength: 16, maxLength: 64 }).map(base32),
		fc.integer({ min: 6, max: 8 }),
	);

	test('accepts a code that is up to 30 seconds off', async () => {
		const drift = fc.integer({ min: -30_000, max: 30_000 });
		await fc.assert(
			fc.asyncProperty(setting, seconds, drift, async ([secret, digits], time, off) => {
				const totp = new TOTP(secret, digits);
				expect(await totp.verify(await totp.generateTOTP(time), time * 1000 + off)).toBe(true);
			}),
			settings(1000).check,
		);
	});

	test('refuses a code that is more than a minute off, barring coincidence', async () => {
		const drift = fc.constantFrom(-61, 61, -90, 90, -3600, 3600, -86_400, 86_400);
		await fc.assert(
			fc.asyncProperty(setting, seconds, drift, async ([secret, digits], time, off) => {
				const now = time + off;
				fc.pre(now >= 30);
				const totp = new TOTP(secret, digits);
				const code = await totp.generateTOTP(time);
				const coincidence = (await codesAround(totp, now)).includes(code);
				expect(await totp.verify(code, now * 1000)).toBe(coincidence);
			}),
			settings(1000).check,
		);
	});

	test('refuses a code with any one digit changed, barring coincidence', async () => {
		await fc.assert(
			fc.asyncProperty(seconds, fc.nat(5), fc.integer({ min: 1, max: 9 }), async (time, at, by) => {
				const totp = new TOTP(SEED);
				const digits = [...(await totp.generateTOTP(time))];
				digits[at] = String((Number(digits[at]) + by) % 10);
				const changed = digits.join('');
				const coincidence = (await codesAround(totp, time)).includes(changed);
				expect(await totp.verify(changed, time * 1000)).toBe(coincidence);
			}),
			settings(1000).check,
		);
	});

	test('accepts exactly the previous, current and next step', async () => {
		const totp = new TOTP(SEED);
		const codes = ['755224', '287082', '359152', '969429', '338314'];
		const accepted = await Promise.all(codes.map((code) => totp.verify(code, 75_000)));
		expect(accepted).toEqual([false, true, true, true, false]);
	});

	test('has no step before time 0', async () => {
		const sign = vi.spyOn(crypto.subtle, 'sign');
		const totp = new TOTP(SEED);
		expect(await totp.verify('755224', 0)).toBe(true);
		expect(await totp.verify('287082', 0)).toBe(true);
		expect(await totp.verify('359152', 0)).toBe(false);
		expect(sign).toHaveBeenCalledTimes(6);
	});

	test.for([
		'',
		'28708',
		'2870820',
		' 287082',
		'287082 ',
		'287082\n',
		'28708\n',
		'28708\n2',
		'+28708',
		'28708a',
		'\u0662\u0668\u0667\u0660\u0668\u0662', // Arabic-Indic digits
		'\uff12\uff18\uff17\uff10\uff18\uff12', // full-width digits
	])('"%s" is not a code, and nothing is computed', async (token) => {
		const sign = vi.spyOn(crypto.subtle, 'sign');
		expect(await new TOTP(SEED).verify(token, 59_000)).toBe(false);
		expect(sign).not.toHaveBeenCalled();
	});

	test('a value that is not text is not a code', async () => {
		const totp = new TOTP(SEED);
		for (const token of [287082, null, undefined, ['287082']]) {
			expect(await totp.verify(token as never, 59_000)).toBe(false);
		}
	});

	test.for(['287082', '359152', '969429', '000000'])(
		'computes all three codes, whichever of them %s matches',
		async (token) => {
			const sign = vi.spyOn(crypto.subtle, 'sign');
			await new TOTP(SEED).verify(token, 75_000);
			expect(sign).toHaveBeenCalledTimes(3);
		},
	);

	test.for([-1, NaN, Infinity, -Infinity])('%d ms is not a valid time', async (milliseconds) => {
		await expect(new TOTP(SEED).verify('287082', milliseconds)).rejects.toThrow(RangeError);
	});
});

function codesAround(totp: TOTP, seconds: number): Promise<string[]> {
	return Promise.all([-30, 0, 30].map((off) => totp.generateTOTP(seconds + off)));
}
