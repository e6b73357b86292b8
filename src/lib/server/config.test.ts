import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { backupSettings, drillDatabase, type Environment } from './config.ts';

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

test('the drill database is optional: only who asks for it hears that it is missing', () => {
	expect(drillDatabase({ ...complete, DRILL_DB: env.DRILL_DB })).toBe(env.DRILL_DB);
	expect(() => drillDatabase(complete)).toThrow(
		expect.objectContaining({
			code: 'drill_database_missing',
			status: 409,
			hint: expect.stringContaining('DRILL_DB'),
		}),
	);
});
