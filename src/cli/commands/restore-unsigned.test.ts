import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openBucket } from '../../../tests/app/bucket.ts';
import { EncryptedBackup, SECRET } from '../../../tests/encrypted-backup.ts';
import { removeFolder } from '../../../tests/operator.ts';
import {
	type Manifest,
	printManifest,
	printSummary,
} from '../../lib/server/backup/format/manifest.ts';
import { backupName, manifestKey } from '../../lib/server/backup/format/names.ts';
import { deriveKey, signManifest } from '../../lib/server/backup/format/signature.ts';
import { withVolumes } from '../../lib/server/backup/format/slices.ts';
import { encoderOf } from '../../lib/server/backup/storage/codec.ts';

const OTHER_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

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

describe('a backup that the app has not signed', () => {
	const env = { TOTP_SECRET: SECRET };
	const foreign = deriveKey(Buffer.from('somebody else'));
	let path: string;
	beforeEach(() => {
		for (const key of backup.volumes) copyFileSync(join(backup.files, key), join(target, key));
		path = join(target, manifestKey(backup.name));
	});
	const plant = (planted: object) => writeFileSync(path, JSON.stringify(planted));

	test.for<[string, () => object, string]>([
		['without a MAC', () => ({ ...backup.manifest, mac: undefined }), 'manifest_unsigned'],
		['with the MAC of others', () => signManifest(bare(), foreign), 'manifest_forged'],
		['that was changed', () => ({ ...backup.manifest, database: 'OTHER' }), 'manifest_forged'],
	])('%s is refused, and accepted with --unsigned', async ([, planted, code]) => {
		plant(planted());
		const args = [path, '--identity', backup.identity];
		expect(await refusal(args, env)).toBe(code);
		expect(await success([...args, '--unsigned'], env)).toContain('Warning: nothing proves');
	});

	test('is refused by the commands too, and accepted with --unsigned', async () => {
		plant(bare());
		const args = [path, '--identity', backup.identity];
		expect(await backup.refusalByCommands(target, args, env)).toBe('manifest_unsigned');
		const told = await backup.successByCommands(target, [...args, '--unsigned'], env);
		expect(told).toContain('Warning: nothing proves');
	});

	test('is refused as the latest in the bucket', async () => {
		const sql = readFileSync(backup.plain);
		// This takes only the public key.
		const stored = await encoderOf({ compression: 'gzip', recipients: [backup.recipient] })(sql);
		const late = backupName('full', new Date());
		const key = `${late}.sql.gz.age`;
		const sha256 = createHash('sha256').update(stored).digest('hex');
		const [volume] = backup.manifest.volumes;
		if (!volume) throw new Error('The backup has no volume.');
		const planted = withVolumes({ ...bare(), name: late }, [
			{ ...volume, key, bytes: stored.length, sha256, sqlBytes: sql.length },
		]);
		await using opened = await openBucket(backup.original);
		const { bucket } = opened;
		await bucket.put(key, stored);
		const customMetadata = { summary: printSummary(planted) ?? '' };
		await bucket.put(manifestKey(late), printManifest(planted), { customMetadata });
		const args = ['latest', '--identity', backup.identity];
		expect(await refusal(args, backup.appEnv)).toBe('manifest_unsigned');
		expect(await success([...args, '--unsigned'], backup.appEnv)).toContain(late);

		// An older backup with its valid MAC, under the name of the newest.
		await bucket.put(manifestKey(late), printManifest(backup.manifest), { customMetadata });
		expect(await refusal(args, backup.appEnv)).toMatch(/^(backup_not_found|manifest_unreadable)$/);
		await bucket.delete([key, manifestKey(late)]);
	});

	test('is refused from local files under another name', async () => {
		const other = join(target, manifestKey('full_backup_2099-01-01T00-00-00.000Z'));
		writeFileSync(other, printManifest(backup.manifest));
		const args = [other, '--identity', backup.identity];
		expect(await refusal(args, env)).toBe('manifest_unreadable');
	});

	test('cannot be recognized without a secret', async () => {
		plant(backup.manifest);
		const args = [path, '--identity', backup.identity];
		const none = { TOTP_SECRET: '' };
		expect(await refusal(args, none)).toBe('mac_key_missing');
		expect(await success([...args, '--unsigned'], none)).toContain('Warning');
	});

	test('signed with the previous secret is accepted only with that secret', async () => {
		plant(backup.manifest);
		const args = [path, '--identity', backup.identity];
		expect(await refusal(args, { TOTP_SECRET: OTHER_SECRET })).toBe('manifest_forged');
		const both = { TOTP_SECRET: OTHER_SECRET, TOTP_SECRET_PREVIOUS: SECRET };
		expect(await success(args, both)).not.toContain('Warning');
		const macKey = { ...env, BACKUP_MAC_KEY: 'k'.repeat(32) };
		expect(await refusal(args, macKey)).toBe('manifest_forged');
	});

	test('signed with a TOTP secret is refused where a MAC key signs, unless that began later', async () => {
		plant(backup.manifest);
		const args = [path, '--identity', backup.identity];
		const macKey = { ...env, BACKUP_MAC_KEY: 'k'.repeat(32) };
		const downgrade = { ...macKey, TOTP_SECRET_PREVIOUS: SECRET };
		expect(await refusal(args, downgrade)).toBe('manifest_forged');
		const { startedAt } = backup.manifest;
		const later = new Date(Date.parse(startedAt) + 1).toISOString();
		const previous = { ...macKey, BACKUP_MAC_KEY_PREVIOUS: SECRET };
		const refused = { ...previous, BACKUP_MAC_KEY_PREVIOUS_UNTIL: startedAt };
		expect(await refusal(args, refused)).toBe('manifest_forged');
		const passes = { ...previous, BACKUP_MAC_KEY_PREVIOUS_UNTIL: later };
		expect(await success(args, passes)).not.toContain('Warning');
	});

	/** The manifest as an attacker would write it. */
	function bare(): Manifest {
		const copy = { ...backup.manifest };
		delete copy.mac;
		return copy;
	}
});
