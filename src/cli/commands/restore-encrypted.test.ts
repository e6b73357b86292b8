import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EncryptedBackup, SECRET, sum } from '../../../tests/encrypted-backup.ts';
import { removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { encoderOf } from '../../lib/server/backup/storage/codec.ts';

const backup = new EncryptedBackup();
/** A folder for each test. */
let target: string;

beforeAll(() => backup.make());
afterAll(() => backup.remove());
beforeEach(() => {
	target = join(backup.project, `target-${Math.random()}`);
	mkdirSync(target);
});
afterEach(() => removeFolder(target));

const refusal = (args: string[], env: Record<string, string>) => backup.refusal(args, env);
const success = (args: string[], env: Record<string, string>) => backup.success(target, args, env);

describe('an encrypted backup', () => {
	test('can be restored with age, gunzip and sqlite3 alone, with every value', () => {
		const restored = join(target, 'restored.db');
		expect(backup.volumes).toEqual([expect.stringMatching(/\.sql\.gz\.age$/)]);
		sqlite3(restored, backup.unpacked('gunzip').toString());
		expect(sum(restored)).toBe(backup.expected);
	});

	test('reveals only the names and counts of its contents', () => {
		const stored = readdirSync(backup.files).map((file) =>
			readFileSync(join(backup.files, file), 'latin1'),
		);
		const [core = ''] =
			/"tables":.*\}/.exec(readFileSync(backup.plain, 'utf8').slice(-20_000)) ?? [];
		const digests = core.match(/[0-9a-f]{64}/g) ?? [];
		expect(digests.length).toBeGreaterThan(10);
		expect(stored.join()).not.toContain('INSERT INTO');
		expect(digests.filter((digest) => stored.join().includes(digest))).toEqual([]);
	});

	test('restores and drills from the app with its identity', async () => {
		await success(['latest', '--identity', backup.identity], backup.appEnv);
		await success([backup.name], { ...backup.appEnv, AGE_IDENTITY_FILE: backup.identity });
	});

	test('restores and drills from files, whichever file is named', async () => {
		const [volume = ''] = backup.volumes;
		for (const file of [volume, manifestKey(backup.name)]) {
			await success([join(backup.files, file), '--identity', backup.identity], {
				TOTP_SECRET: SECRET,
			});
		}
	});

	test('restores from a single volume, with --unsigned if there is no manifest to check', async () => {
		const lone = join(target, 'backup.sql.gz.age');
		copyFileSync(join(backup.files, backup.volumes[0] ?? ''), lone);
		expect(await refusal([lone], {})).toBe('identity_needed');
		expect(await refusal([lone, '--identity', backup.otherIdentity], {})).toBe('identity_wrong');
		await success([lone, '--identity', backup.identity, '--unsigned'], {});
	});

	test('finds its identity through .env', async () => {
		const env = join(backup.project, '.env');
		writeFileSync(env, `TOTP_SECRET=${SECRET}\nAGE_IDENTITY_FILE="${backup.identity}"\n`);
		try {
			await backup.successByCommands(target, ['latest'], { BACKUP_URL: backup.server.url });
		} finally {
			rmSync(env);
		}
	});

	test('is refused without its identity', async () => {
		const needed = await backup.refusalByCommands(target, ['latest'], backup.appEnv);
		expect(needed).toBe('identity_needed');
		const wrong = ['latest', '--identity', backup.otherIdentity];
		expect(await refusal(wrong, backup.appEnv)).toBe('identity_wrong');
	});

	test.for([
		['that is not there', null, 'There is no identity'],
		['with a passphrase', 'age-encryption.org/v1\n-> scrypt x 18\n', 'passphrase'],
		['without any key', '# public key: age1\n', 'has no identity'],
		['of another kind', '# mine\nAGE-PLUGIN-SECRET-1XYZ\n', 'Line 2 of'],
		['with a mistake', 'AGE-SECRET-KEY-1QQQQ\n', 'Line 1 of'],
	] as const)('is refused with an identity %s, which is not shown', async ([, text, told]) => {
		const path = join(target, 'bad.agekey');
		if (text !== null) writeFileSync(path, text);
		const refused = await backup.refused(['latest', '--identity', path], backup.appEnv);
		expect(refused).toEqual({
			code: 'identity_unreadable',
			shown: expect.stringContaining(told),
		});
		expect(refused.shown).not.toMatch(/SECRET-1XYZ|KEY-1QQQQ/);
	});

	test('accepts a post-quantum identity too', async () => {
		const hybrid = join(target, 'hybrid.agekey');
		const recipients = [await makeIdentity(hybrid, true)];
		const lone = join(target, 'hybrid.sql.age');
		writeFileSync(
			lone,
			await encoderOf({ compression: 'off', recipients })(readFileSync(backup.plain)),
		);
		await success([lone, '--identity', hybrid, '--unsigned'], {});
		expect(await refusal([lone, '--identity', backup.identity], {})).toBe('identity_wrong');
	});
});
