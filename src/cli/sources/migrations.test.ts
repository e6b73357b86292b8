import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { scripts } from '../../../tests/databases/migrations.ts';
import { settings } from '../../../tests/databases/settings.ts';
import { fileDifferences, restoreFile, runShell } from '../../../tests/foreign.ts';
import { sqlite3 } from '../../../tests/operator.ts';

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
