import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EncryptedBackup, SECRET, sum } from '../../../tests/encrypted-backup.ts';
import { sqlite3 } from '../../../tests/operator.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';

// A backup that the app made with BACKUP_COMPRESSION=zstd, and encrypted.

const backup = new EncryptedBackup();
beforeAll(() => backup.make({ BACKUP_COMPRESSION: 'zstd' }));
afterAll(() => backup.remove());

test('it is restored with age, zstd and sqlite3 alone, with every value', () => {
	const restored = join(backup.project, 'by-hand.db');
	expect(backup.volumes).toEqual([expect.stringMatching(/\.sql\.zst\.age$/)]);
	const sql = backup.unpacked('zstd', '-d');
	expect(sql.length).toBe(backup.manifest.sqlBytes);
	sqlite3(restored, sql.toString());
	expect(sum(restored)).toBe(backup.expected);
});

test('restore and drill open it', async () => {
	const manifest = join(backup.files, manifestKey(backup.name));
	const env = { TOTP_SECRET: SECRET, AGE_IDENTITY_FILE: backup.identity };
	await backup.success(backup.project, [manifest], env);
});

test('restore and drill open its SQL, compressed again in another way', async () => {
	const folder = join(backup.project, 'again');
	mkdirSync(folder);
	const file = join(folder, 'backup.sql.zst');
	const input = backup.unpacked('zstd', '-d');
	writeFileSync(file, execFileSync('zstd', ['-19', '--no-check'], { input, maxBuffer: 1e8 }));
	await backup.success(folder, [file, '--unsigned'], {});
});
