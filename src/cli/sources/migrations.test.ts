import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { scripts } from '../../../tests/databases/migrations.ts';
import { settings } from '../../../tests/databases/settings.ts';
import { fileDifferences, restoreFile, runShell } from '../../../tests/foreign.ts';
import { sqlite3 } from '../../../tests/operator.ts';
import { checkDatabase } from '../../lib/server/backup/prove/check.ts';
import { openToRead, SqliteDatabase } from '../embedded/sqlite-database.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-migrations-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'file.sql');
const [ours, theirs] = [join(folder, 'ours.db'), join(folder, 'theirs.db')];

const { check, test: options } = settings(200);

test(
	'random migrations with rows in between become what sqlite3 makes of them',
	options,
	async () => {
		const property = fc.asyncProperty(scripts(), async (sql) => {
			rmSync(ours, { force: true });
			writeFileSync(path, sql);
			runShell(sql, theirs);
			await restoreFile(path, ours);
			expect(await fileDifferences(theirs, ours)).toEqual([]);
			const number = 'PRAGMA user_version';
			expect(sqlite3(ours, number)).toBe(sqlite3(theirs, number));
		});
		await fc.assert(property, check);
	},
);

test('a row that refers to nothing is restored, and named exactly by its rowid', async () => {
	const sql =
		'CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t (id)); INSERT INTO t VALUES (9007199254740993, 6);';
	rmSync(ours, { force: true });
	writeFileSync(path, sql);
	runShell(sql, theirs);
	await restoreFile(path, ours);
	expect(await fileDifferences(theirs, ours)).toEqual([]);
	using connection = openToRead(ours);
	expect(await checkDatabase(new SqliteDatabase(connection), null, async () => {})).toEqual([
		'foreign_key_check: The row with rowid 9007199254740993 of "t" refers by "up" to a row of "t" that does not exist.',
	]);
});
