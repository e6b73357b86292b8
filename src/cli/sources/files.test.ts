import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { dumpOf, operate, projectFolder, removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { NAME, writeSigned } from '../../../tests/signed-backup.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import { encoderOf } from '../../lib/server/backup/storage/codec.ts';
import { openBackup } from './files.ts';
import { verifyBackup } from './verify.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { Progress } from '../terminal/progress.ts';

// Local backups that were tampered with: none of their statements is run.

const MAC_KEY = 'a secret of the tests, long enough';
const ZEROS = Buffer.alloc(1000);

const context = { signal: new AbortController().signal, progress: new Progress() };

let project: string;
/** The SQL of a backup, and other SQL with the same rows and the same last line. */
let sql: Buffer;
let otherSql: Buffer;
/** A folder for each test. */
let folder: string;

beforeAll(async () => {
	project = projectFolder();
	sql = await dumpOf(
		join(project, 'plain'),
		'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, admin INTEGER)',
		`INSERT INTO users VALUES (1, 'ann', 1), (2, 'bob', 0)`,
	);
	// No digest covers this statement.
	const more = 'UPDATE users SET admin=1;\n';
	otherSql = Buffer.from(sql.toString().replace('-- lifeboat {', `${more}-- lifeboat {`));
	expect(otherSql.length).toBe(sql.length + more.length);
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	folder = join(project, `folder-${Math.random()}`);
	mkdirSync(folder);
});
afterEach(() => removeFolder(folder));

const restore = (path: string, ...more: string[]) =>
	operate(project, 'restore', [path, '--to', join(folder, 'restored.db'), '--json', ...more], {
		env: { BACKUP_MAC_KEY: MAC_KEY },
	});
const isRestored = () => existsSync(join(folder, 'restored.db'));
const admins = () =>
	sqlite3(join(folder, 'restored.db'), 'SELECT name FROM users WHERE admin ORDER BY id');

/** Writes the backup and its signed manifest into the folder, and returns the path of its volume. */
const signedBackup = () => writeSigned(folder, sql, MAC_KEY);

/** Reads a backup twice, as a restore does: first to verify it, then to run it. */
async function readTwice(path: string, between: () => void = () => {}): Promise<Buffer> {
	const backup = await openBackup(path, { unsigned: true }, context);
	await verifyBackup(backup, context);
	between();
	const chunks: Uint8Array[] = [];
	for await (const chunk of backup.sql.open()) chunks.push(chunk);
	return Buffer.concat(chunks);
}

describe('a signed backup', () => {
	test('is restored unchanged', async () => {
		expect(await restore(await signedBackup())).toMatchObject({ code: 0 });
		expect(admins()).toBe('ann');
	});

	test.for([
		['other SQL', () => gzipSync(otherSql)],
		['other SQL and zeros', () => Buffer.concat([gzipSync(otherSql), ZEROS])],
		[
			'other SQL, zeros, and the original',
			() => Buffer.concat([gzipSync(otherSql), ZEROS, gzipSync(sql)]),
		],
		['zeros after the original', () => Buffer.concat([gzipSync(sql), ZEROS])],
	] as const)('is refused with %s in it', async ([, content]) => {
		const volume = await signedBackup();
		writeFileSync(volume, content());
		const { code, stdout } = await restore(volume);
		expect([code, JSON.parse(stdout).code]).toEqual([1, 'backup_differs']);
		expect(isRestored()).toBe(false);
	});

	test('returns no SQL from a volume that was replaced after verification', async () => {
		const volume = await signedBackup();
		const replace = () => writeFileSync(volume, Buffer.concat([gzipSync(otherSql), ZEROS]));
		await expect(readTwice(volume, replace)).rejects.toMatchObject({ code: 'backup_damaged' });
	});
});

describe('a signed backup that was unpacked in place', () => {
	const plain = () => join(folder, `${NAME}.sql`);
	const manifest = () => join(folder, manifestKey(NAME));
	/** The backup after `gunzip`: the original is gone. */
	async function unpacked(content: Buffer): Promise<void> {
		rmSync(await signedBackup());
		writeFileSync(plain(), content);
	}
	const verified = async (path: string) => {
		vi.stubEnv('BACKUP_MAC_KEY', MAC_KEY);
		const backup = await openBackup(path, { unsigned: false }, context);
		return verifyBackup(backup, context);
	};
	afterEach(() => void vi.unstubAllEnvs());

	test('is checked by its digests and restored', async () => {
		await unpacked(sql);
		expect(await restore(plain())).toMatchObject({ code: 0 });
		expect(admins()).toBe('ann');
		expect((await verified(manifest())).rows).toBe(2);
	});

	test.for([
		['another row', () => Buffer.from(sql.toString().replace("'bob'", "'eve'"))],
		[
			'another definition',
			() => Buffer.from(sql.toString().replace('admin INTEGER', 'admin TEXT')),
		],
		['another statement', () => otherSql],
		['other last digests', () => Buffer.from(sql.toString().replace(/"sha256":"./, '"sha256":"x'))],
	] as const)('is refused with %s', async ([, content]) => {
		await unpacked(content());
		const { code } = await restore(plain());
		expect(code).toBe(1);
		expect(isRestored()).toBe(false);
	});

	test('is the one that is restored if it is named, else the original', async () => {
		const packed = await signedBackup();
		writeFileSync(plain(), otherSql);
		await expect(verified(plain())).rejects.toMatchObject({ code: 'backup_differs' });
		expect((await verified(packed)).rows).toBe(2);
		expect((await verified(manifest())).rows).toBe(2);
	});
});

describe('a file alone', () => {
	const path = (name: string) => join(folder, name);

	const compressors = [
		['gzip', 'backup.sql.gz', gzipSync],
		['zstd', 'backup.sql.zst', zstdCompressSync],
	] as const;

	test.for(compressors)(
		'is refused with anything after the end of %s, even zeros',
		async ([, name, compress]) => {
			const packed = compress(sql);
			const other = Buffer.concat([ZEROS, compress(otherSql)]);
			for (const trailing of [ZEROS, Buffer.from('x'), packed.subarray(0, 20), other]) {
				writeFileSync(path(name), Buffer.concat([packed, trailing]));
				const { code, stdout } = await restore(path(name), '--unsigned');
				expect([code, JSON.parse(stdout).code]).toEqual([1, 'backup_damaged']);
				expect(isRestored()).toBe(false);
			}
		},
	);

	test.for(compressors)('may be several files of %s', async ([, name, compress]) => {
		const parts = [sql.subarray(0, 100), sql.subarray(100)];
		writeFileSync(path(name), Buffer.concat(parts.map((part) => compress(part))));
		expect((await readTwice(path(name))).equals(sql)).toBe(true);
	});

	test.for(compressors)('is refused if %s is cut off', async ([, name, compress]) => {
		const packed = compress(sql);
		writeFileSync(path(name), packed.subarray(0, -1));
		await expect(readTwice(path(name))).rejects.toMatchObject({ code: 'backup_damaged' });
	});

	test('is refused with anything after the end of the age file', async () => {
		const identity = path('own.agekey');
		const recipients = [await makeIdentity(identity, false)];
		const stored = Buffer.from(await encoderOf({ compression: 'gzip', recipients })(sql));
		const keys = { unsigned: true, identity };
		const read = async (content: Buffer) => {
			writeFileSync(path('backup.sql.gz.age'), content);
			return verifyBackup(await openBackup(path('backup.sql.gz.age'), keys, context), context);
		};
		expect((await read(stored)).bytes).toBe(sql.length);
		for (const [trailing, code] of [
			[ZEROS, 'backup_damaged'],
			[stored.subarray(0, 30), 'backup_damaged'],
			[stored, 'backup_differs'],
		] as const) {
			await expect(read(Buffer.concat([stored, trailing]))).rejects.toMatchObject({ code });
		}
	});

	test('is not read a second time after it was replaced', async () => {
		writeFileSync(path('backup.sql.gz'), gzipSync(sql));
		const replace = () => writeFileSync(path('backup.sql.gz'), gzipSync(otherSql));
		await expect(readTwice(path('backup.sql.gz'), replace)).rejects.toMatchObject({
			code: 'backup_damaged',
			message: expect.stringContaining('has changed since it was verified'),
		});
	});
});
