import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { EncryptedBackup, SECRET } from '../../../tests/encrypted-backup.ts';
import { operate, sqlite3 } from '../../../tests/operator.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';

const backup = new EncryptedBackup();
/** A folder for each test. */
let folder: string;

beforeAll(() => backup.make());
afterAll(() => backup.remove());
beforeEach(() => void (folder = join(backup.project, `copies-${Math.random()}`)));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function copy(...args: string[]) {
	const words = ['--to', folder, '--json', ...args];
	const { code, stdout } = await operate(backup.project, 'copy', words, { env: backup.appEnv });
	return { code, answer: JSON.parse(stdout) as object };
}

const copied = (checked: string) => ({
	code: 0,
	answer: { backups: [{ backup: backup.name, checked, result: 'copied' }] },
});

test('an encrypted backup is copied without its identity, and restores with it', async () => {
	expect(await copy()).toMatchObject(copied('stored'));
	const manifest = join(folder, manifestKey(backup.name));
	for (const file of readdirSync(backup.files)) {
		expect(readFileSync(join(folder, file)).equals(readFileSync(join(backup.files, file)))).toBe(
			true,
		);
	}
	const restored = join(folder, 'restored.db');
	const args = [manifest, '--to', restored, '--identity', backup.identity];
	const env = { TOTP_SECRET: SECRET };
	expect(await operate(backup.project, 'restore', args, { env })).toMatchObject({ code: 0 });
	expect(sqlite3(restored, 'SELECT count(*) FROM demo_orders')).toBe('1200');
});

test('its rows are compared with the identity', async () => {
	expect(await copy('--identity', backup.identity)).toMatchObject(copied('contents'));
});

test('an identity that does not open it leaves its stored bytes to compare', async () => {
	expect(await copy('--identity', backup.otherIdentity)).toMatchObject(copied('stored'));
});

test('an identity that is not there copies nothing', async () => {
	const { code, answer } = await copy('--identity', join(folder, 'nothing.agekey'));
	expect([code, answer]).toMatchObject([2, { code: 'identity_unreadable' }]);
	expect(statSync(folder).isDirectory()).toBe(true);
	expect(readdirSync(folder)).toEqual([]);
});
