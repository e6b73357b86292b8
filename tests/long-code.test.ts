import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOTP } from '../src/lib/totp.js';
import { counted, SEED } from './counts.ts';
import { base32 } from './totp-codes.ts';

// The long code as docs/api.md defines it, computed by openssl.

/** Steps that one run of openssl computes for one secret. */
const STEPS_AT_ONCE = 50;

let folder = '';
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-long-code-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('openssl computes the same long codes at random steps', async () => {
	const secrets = fc.uint8Array({ minLength: 16, maxLength: 64 });
	const steps = fc.array(fc.maxSafeNat(), {
		minLength: STEPS_AT_ONCE,
		maxLength: STEPS_AT_ONCE,
	});
	await fc.assert(
		fc.asyncProperty(secrets, steps, async (secret, numbers) => {
			const totp = new TOTP(base32(secret), 6, 1); // a step of a second: no step is out of reach
			const codes = numbers.map((step) => totp.generateLongCode(step));
			expect(await Promise.all(codes)).toEqual(opensslCodes(secret, numbers));
		}),
		{ numRuns: Math.ceil(counted(1000) / STEPS_AT_ONCE), seed: SEED },
	);
});

test('docs/api.md has true examples', async () => {
	const page = readFileSync('docs/api.md', 'utf8');
	const rows = [
		...page.matchAll(
			/^\| `([A-Z2-7]{26,})` +\| (\d+) +\| (\d+) +\| `(\d{6})` +\| `(\S{32})` \|$/gm,
		),
	];
	expect(rows.length).toBeGreaterThan(5);
	for (const [, secret = '', time, step, digits, long] of rows) {
		const totp = new TOTP(secret);
		expect(Math.floor(Number(time) / 30)).toBe(Number(step));
		expect(await totp.generateTOTP(Number(time))).toBe(digits);
		expect(await totp.generateLongCode(Number(time))).toBe(long);
		expect(opensslCodes(totp.base32ToUint8Array(secret), [Number(step)])).toEqual([long]);
	}
});

/** The long codes of these steps, each in a file that openssl signs. */
function opensslCodes(secret: Uint8Array, steps: number[]): string[] {
	const files = steps.map((step, index) => {
		const message = Buffer.alloc(8);
		message.writeBigUInt64BE(BigInt(step));
		const file = join(folder, String(index));
		writeFileSync(file, message);
		return file;
	});
	const key = derivedKey(secret).toString('hex');
	const printed = openssl('dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${key}`, ...files);
	const macs = [...printed.matchAll(/= ([0-9a-f]{64})$/gm)];
	return macs.map(([, mac = '']) => Buffer.from(mac, 'hex').subarray(0, 24).toString('base64url'));
}

/** By HKDF-SHA-256, without a salt. */
function derivedKey(secret: Uint8Array): Buffer {
	const options = [
		'digest:SHA256',
		`hexkey:${Buffer.from(secret).toString('hex')}`,
		'info:lifeboat long code 1',
	].flatMap((option) => ['-kdfopt', option]);
	const printed = openssl('kdf', '-keylen', '32', ...options, 'HKDF');
	return Buffer.from(printed.replaceAll(':', '').trim(), 'hex');
}

function openssl(...args: string[]): string {
	try {
		return execFileSync('openssl', args, { encoding: 'utf8' });
	} catch (cause) {
		throw new Error('This test needs OpenSSL 3: apt install openssl', { cause });
	}
}
