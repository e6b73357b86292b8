import { env } from 'cloudflare:workers';
import {
	generateHybridIdentity,
	generateX25519Identity,
	identityToRecipient,
} from 'age-encryption';
import { describe, expect, test } from 'vitest';
import { BUDGETS } from './make/budget.ts';
import { deriveKey } from './format/signature.ts';
import { drillDatabase, type Environment } from '../environment.ts';
import { backupSettings, backupEncoding, backupBudget, backupKeys, engineOf } from './settings.ts';
import type { LifeboatError } from '../errors.ts';

const complete: Environment = { DB: env.DB, MY_BUCKET: env.MY_BUCKET, TOTP_SECRET: 'A'.repeat(32) };

test('a complete environment becomes typed settings', () => {
	expect(backupSettings(complete)).toMatchObject({ totpSecret: 'A'.repeat(32) });
});

test.for([
	['DB', 'db_binding_missing'],
	['MY_BUCKET', 'bucket_binding_missing'],
	['TOTP_SECRET', 'totp_secret_missing'],
] as const)('without %s the error says %s and names the setting', ([name, code]) => {
	const call = () => backupSettings({ ...complete, [name]: undefined });
	expect(call).toThrow(expect.objectContaining({ code, status: 500 }));
	expect(call).toThrow(expect.objectContaining({ hint: expect.stringContaining(name) }));
});

test('the drill database is optional: only asking for it throws if it is missing', () => {
	expect(drillDatabase({ ...complete, DRILL_DB: env.DRILL_DB })).toBe(env.DRILL_DB);
	expect(() => drillDatabase(complete)).toThrow(
		expect.objectContaining({
			code: 'drill_database_missing',
			status: 409,
			hint: expect.stringContaining('DRILL_DB'),
		}),
	);
});

describe('how backups are stored', () => {
	test.for([
		[undefined, 'gzip'],
		['', 'gzip'],
		['gzip', 'gzip'],
		[' GZIP ', 'gzip'],
		['zstd', 'zstd'],
		['off', 'off'],
	] as const)('BACKUP_COMPRESSION=%s: compression is %s', ([value, compression]) => {
		const env = { ...complete, ...(value !== undefined && { BACKUP_COMPRESSION: value }) };
		expect(backupEncoding(env)).toEqual({ compression, recipients: [] });
	});

	test.for(['on', 'none', 'zst', 'brotli', '0'])('BACKUP_COMPRESSION=%s is refused', (value) => {
		const encoding = () => backupEncoding({ ...complete, BACKUP_COMPRESSION: value });
		expect(encoding).toThrow(
			expect.objectContaining({ code: 'backup_compression_invalid', status: 500 }),
		);
	});

	test('BACKUP_AGE_RECIPIENTS may hold several, separated by commas or white space', async () => {
		for (const generate of [generateX25519Identity, generateHybridIdentity]) {
			const [a = '', b = '', c = ''] = await recipients(generate, 3);
			const env = { ...complete, BACKUP_AGE_RECIPIENTS: ` ${a},${b}\n\t${c} ,${a}` };
			expect(backupEncoding(env)).toEqual({ compression: 'gzip', recipients: [a, b, c] });
		}
	});

	test.for(['', ' ', ' , '])('"%s" means no recipients', (value) => {
		const env = { ...complete, BACKUP_AGE_RECIPIENTS: value };
		expect(backupEncoding(env).recipients).toEqual([]);
	});

	test('recipients of both kinds are refused, as the weaker one would decide', async () => {
		const [weak] = await recipients(generateX25519Identity, 1);
		const [strong] = await recipients(generateHybridIdentity, 1);
		const env = { ...complete, BACKUP_AGE_RECIPIENTS: `${strong} ${weak}` };
		expect(() => backupEncoding(env)).toThrow(
			expect.objectContaining({ code: 'backup_age_recipients_mixed', status: 500 }),
		);
	});

	test('an invalid recipient is named by its position, and never shown', async () => {
		const [good = ''] = await recipients(generateX25519Identity, 1);
		const [hybrid = ''] = await recipients(generateHybridIdentity, 1);
		const secret = await generateX25519Identity();
		for (const bad of [
			secret,
			secret.toLowerCase(),
			await generateHybridIdentity(),
			good.slice(0, -1),
			good.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')),
			good.toUpperCase(),
			hybrid.slice(0, -1),
			`age1tag1${good.slice(5)}`,
			'ssh-ed25519',
			'nobody@example.com',
		]) {
			const encoding = () =>
				backupEncoding({ ...complete, BACKUP_AGE_RECIPIENTS: `${good},${bad}` });
			expect(encoding, bad).toThrow(
				expect.objectContaining({
					...{ code: 'backup_age_recipients_invalid', status: 500 },
					message: expect.stringContaining('Entry 2'),
				}),
			);
			expect(encoding).not.toThrow(bad);
		}
		const env = { ...complete, BACKUP_AGE_RECIPIENTS: secret };
		expect(() => backupEncoding(env)).toThrow('a secret key');
	});

	test('an identity is never shown, in whatever form it was pasted', async () => {
		const [good = ''] = await recipients(generateX25519Identity, 1);
		const secret = await generateX25519Identity();
		const file = `# created: 2026-11-22T21:52:00Z\n# public key: ${good}\n${secret}\n`;
		for (const value of [secret, `"${secret}"`, `'${secret}'`, secret.slice(0, 60), file]) {
			const encoding = () => backupEncoding({ ...complete, BACKUP_AGE_RECIPIENTS: value });
			const thrown = (() => {
				try {
					return encoding();
				} catch (error) {
					return error as LifeboatError;
				}
			})();
			expect(thrown).toMatchObject({ code: 'backup_age_recipients_invalid' });
			const { message, hint, cause, stack } = thrown as LifeboatError;
			for (const text of [message, hint, stack, String(cause)]) {
				expect(text).not.toContain(secret.slice(16, 60));
			}
		}
	});

	async function recipients(generate: () => Promise<string>, count: number): Promise<string[]> {
		const identities = await Promise.all(Array.from({ length: count }, generate));
		return Promise.all(identities.map((identity) => identityToRecipient(identity)));
	}
});

describe('the budget of a call', () => {
	test.for([
		[undefined, 'free'],
		['', 'free'],
		[' ', 'free'],
		['free', 'free'],
		[' Paid\n', 'paid'],
	] as const)('BACKUP_PLAN=%j: %s', ([value, plan]) => {
		const env = { ...complete, ...(value !== undefined && { BACKUP_PLAN: value }) };
		expect(backupBudget(env)).toBe(BUDGETS[plan]);
	});

	test.for(['enterprise', '50', 'free paid', 'constructor'])(
		'BACKUP_PLAN=%s is refused',
		(value) => {
			expect(() => backupBudget({ ...complete, BACKUP_PLAN: value })).toThrow(
				expect.objectContaining({
					...{ code: 'backup_plan_invalid', status: 500 },
					hint: expect.stringContaining('paid'),
				}),
			);
		},
	);

	test('on the free plan leaves room for the other queries of a step', () => {
		expect(BUDGETS.free.queries).toBeLessThan(50);
		expect(BUDGETS.paid.queries).toBeLessThan(1000);
	});
});

describe('the manifest keys', () => {
	/** Base32 of twenty bytes each. */
	const [now, before] = ['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'];
	const ofNow = deriveKey(new TextEncoder().encode('12345678901234567890'));
	const macKey = '0123456789abcdef0123456789abcdef';
	const ofMacKey = deriveKey(new TextEncoder().encode(macKey));

	test('come from TOTP_SECRET, however it is written', () => {
		for (const secret of [now, now.toLowerCase(), ` ${now.slice(0, 16)}-${now.slice(16)} `]) {
			expect(backupKeys({ TOTP_SECRET: secret })).toEqual([ofNow]);
		}
	});

	test('include that of the previous secret, which never signs', () => {
		const [first, second] = backupKeys({ TOTP_SECRET: now, TOTP_SECRET_PREVIOUS: before });
		expect(first).toEqual(ofNow);
		expect([second]).toEqual(backupKeys({ TOTP_SECRET: before }));
	});

	test('come from BACKUP_MAC_KEY instead of TOTP_SECRET if it is set', () => {
		expect(backupKeys({ TOTP_SECRET: now, BACKUP_MAC_KEY: macKey })).toEqual([ofMacKey]);
	});

	test('never come from a TOTP secret once BACKUP_MAC_KEY is set', () => {
		const during = { TOTP_SECRET: now, TOTP_SECRET_PREVIOUS: before, BACKUP_MAC_KEY: macKey };
		expect(backupKeys(during)).toEqual([ofMacKey]);
	});

	test.for([
		['2026-12-01', '2026-12-01T00:00:00.000Z'],
		['2026-12-01T08:30Z', '2026-12-01T08:30:00.000Z'],
		[' 2026-12-01T08:30:15.250Z ', '2026-12-01T08:30:15.250Z'],
	] as const)('include BACKUP_MAC_KEY_PREVIOUS, until %s', ([text, time]) => {
		const previous = { BACKUP_MAC_KEY_PREVIOUS: macKey, BACKUP_MAC_KEY_PREVIOUS_UNTIL: text };
		const until = Date.parse(time);
		const keys = backupKeys({ BACKUP_MAC_KEY: 'k'.repeat(32), ...previous });
		expect(keys).toEqual([deriveKey(Buffer.from('k'.repeat(32))), { ...ofMacKey, until }]);
		// Also after BACKUP_MAC_KEY was given up.
		expect(backupKeys({ TOTP_SECRET: now, ...previous })).toEqual([ofNow, { ...ofMacKey, until }]);
	});

	test('include the TOTP secret that signed before there was BACKUP_MAC_KEY, until its end', () => {
		const previous = { BACKUP_MAC_KEY_PREVIOUS: now, BACKUP_MAC_KEY_PREVIOUS_UNTIL: '2026-12-01' };
		const keys = backupKeys({ TOTP_SECRET: now, BACKUP_MAC_KEY: macKey, ...previous });
		const until = Date.UTC(2026, 11, 1);
		expect(keys[0]).toEqual(ofMacKey);
		expect(keys).toContainEqual({ ...ofNow, until });
		expect(keys.slice(1).map((key) => key.until)).toEqual([until, until]);
	});

	test('exist in every app that can be called', () => {
		for (const empty of [undefined, '', ' ']) {
			const env = { ...complete, TOTP_SECRET_PREVIOUS: empty, BACKUP_MAC_KEY: empty };
			expect(backupKeys(env as Environment)).toHaveLength(1);
		}
	});

	test.for([
		['BACKUP_MAC_KEY', 'x'.repeat(31), 'backup_mac_key_too_short'],
		['TOTP_SECRET_PREVIOUS', 'GEZDGNBV', 'totp_secret_previous_invalid'],
		['TOTP_SECRET_PREVIOUS', '01890189', 'totp_secret_previous_invalid'],
		['TOTP_SECRET', 'GEZDGNBV', 'totp_secret_too_short'],
		['BACKUP_MAC_KEY_PREVIOUS', '0'.repeat(31), 'backup_mac_key_previous_too_short'],
		['BACKUP_MAC_KEY_PREVIOUS_UNTIL', 'tomorrow', 'backup_mac_key_previous_until_invalid'],
		['BACKUP_MAC_KEY_PREVIOUS_UNTIL', '2026-13-01', 'backup_mac_key_previous_until_invalid'],
		['BACKUP_MAC_KEY_PREVIOUS_UNTIL', '2026-12-01T00:00', 'backup_mac_key_previous_until_invalid'],
	] as const)('%s=%s is refused as %s', ([name, value, code]) => {
		const previous = {
			BACKUP_MAC_KEY_PREVIOUS: macKey,
			BACKUP_MAC_KEY_PREVIOUS_UNTIL: '2026-12-01',
		};
		const keys = () => backupKeys({ ...complete, ...previous, [name]: value });
		expect(keys).toThrow(expect.objectContaining({ code, status: 500 }));
		expect(keys).not.toThrow(value);
	});

	test('of BACKUP_MAC_KEY_PREVIOUS need its end', () => {
		const keys = () => backupKeys({ BACKUP_MAC_KEY: macKey, BACKUP_MAC_KEY_PREVIOUS: macKey });
		const code = 'backup_mac_key_previous_until_missing';
		expect(keys).toThrow(expect.objectContaining({ code, status: 500 }));
	});
});

describe('the largest database that is staged', () => {
	const bytes = (value?: string) =>
		engineOf({ ...complete, ...(value !== undefined && { BACKUP_STAGE_MAX_MB: value }) })
			.stageMaxBytes;

	test.for([
		[undefined, 100_000_000],
		['', 100_000_000],
		['0', 0],
		['2.5', 2_500_000],
		['10000', 10_000_000_000],
	] as const)('BACKUP_STAGE_MAX_MB=%s: %s bytes', ([value, expected]) => {
		expect(bytes(value)).toBe(expected);
	});

	test.for(['-1', 'all', '10001', '1e999'])('BACKUP_STAGE_MAX_MB=%s is refused', (value) => {
		expect(() => bytes(value)).toThrow(
			expect.objectContaining({ code: 'backup_stage_max_mb_invalid', status: 500 }),
		);
	});
});
