import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operate, projectFolder, removeFolder, runLocally } from '../../../tests/operator.ts';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { type Finding, measureReads, measureWrites } from '../doctor/measure.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { SqliteDatabase } from '../embedded/sqlite-database.ts';

describe('npm run doctor', () => {
	let project: string;
	let folder: string;
	beforeAll(async () => {
		project = projectFolder();
		folder = join(project, 'state');
		runLocally(folder, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1)`);
		await using database = new EmbeddedDatabase({ kind: 'configured', persistTo: folder });
		await database.batch(['SELECT 1']); // workerd's own table makes the file grow
	});
	afterAll(() => removeFolder(project));

	const doctor = (...args: string[]) => operate(project, 'doctor', args);
	const contents = () =>
		runLocally(
			folder,
			String.raw`SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '\_cf%' ESCAPE '\'`,
			`SELECT * FROM t`,
		);

	test('measures a local database and leaves it as it was', async () => {
		const before = await contents();
		const { code, stdout } = await doctor(`local:${folder}`, '--wait', '0', '--json');
		const { good, findings } = JSON.parse(stdout) as { good: boolean; findings: Finding[] };
		expect(findings.map(({ what, result }) => [what, result])).toEqual([
			['change counter, during reads', 'stands still'],
			['bookmark, during reads', 'counts reads'],
			['size of the file, during reads', 'stands still'],
			['a batch of 3 statements', expect.stringMatching(/^rows read: \d+, \d+, \d+$/)],
		]);
		expect([code, good]).toEqual([0, true]);
		expect(await contents()).toEqual(before);
	});

	test('also measures writes on request, and drops its table afterwards', async () => {
		const before = await contents();
		const { code, stdout } = await doctor(`local:${folder}`, '--write', '--wait', '0');
		expect(code).toBe(0);
		expect(stdout).toMatch(/change counter, after a new row +1 more/);
		expect(stdout).toMatch(/size of the file, after a new table +\d+ bytes more/);
		expect(await contents()).toEqual(before);
	});

	test('does not create a missing database', async () => {
		const nowhere = join(project, 'nowhere');
		const { code, stdout } = await doctor(`local:${nowhere}`, '--json');
		expect(code).toBe(2);
		expect(JSON.parse(stdout)).toMatchObject({ code: 'database_not_found' });
		expect(existsSync(nowhere)).toBe(false);
	});

	test.for([[], ['file.db'], ['remote:'], ['local', 'more'], ['local', '--wait', 'x']])(
		'refuses the arguments %j',
		async (words) => {
			const { code, stderr } = await doctor(...words);
			expect(code).toBe(2);
			expect(stderr).toContain('npm run doctor -- --help');
		},
	);
});

describe('npm run doctor on a database with bookmarks as on Cloudflare', () => {
	/** Runs after each call. */
	type AfterCall = (connection: DatabaseSync) => void;

	/** SQLite with a bookmark that counts writes and, if asked, reads. */
	function database({
		readsMove = false,
		afterCall,
	}: { readsMove?: boolean; afterCall?: AfterCall } = {}) {
		const connection = new DatabaseSync(':memory:');
		connection.exec('CREATE TABLE t (x)');
		const sqlite = new SqliteDatabase(connection);
		let version = 0;
		const measured: SqlDatabase = {
			async batch(statements) {
				const { results } = await sqlite.batch(statements);
				if (readsMove || /INSERT|CREATE|DROP/.test(String(statements[0]))) version++;
				afterCall?.(connection);
				return { results, bookmark: `0000007b-0000b26e-0000000${version}-0c3e87bb37b3db5c` };
			},
		};
		return { measured, connection, move: () => version++ };
	}

	const reads = { waitMs: 0, sleep: async () => {} };
	const resultOf = (findings: Finding[], what: string) =>
		findings.find((finding) => finding.what === what);

	test('reports that bookmarks stand still under reads and move with writes', async () => {
		const { measured, connection } = database();
		const findings = [...(await measureReads(measured, reads)), ...(await measureWrites(measured))];
		const bookmarks = findings.filter(({ what }) => what.startsWith('bookmark'));
		expect(bookmarks.map(({ result }) => result)).toEqual([
			'stands still',
			'the same',
			'different',
			'different',
		]);
		expect(findings.every(({ good }) => good)).toBe(true);
		const tables = connection.prepare('SELECT name FROM sqlite_schema').all();
		expect(tables).toEqual([{ name: 't' }]);
	});

	test('reports that bookmarks move under reads, which a backup tolerates', async () => {
		const findings = await measureReads(database({ readsMove: true }).measured, reads);
		expect(resultOf(findings, 'bookmark, during reads')).toMatchObject({
			result: 'moves',
			good: true,
		});
		expect(resultOf(findings, 'bookmark, after 0 s')).toBeUndefined();
	});

	test('reports that bookmarks move by themselves, which a backup does not tolerate', async () => {
		const { measured, move } = database();
		const sleep = async () => void move();
		const findings = await measureReads(measured, { waitMs: 9_000, sleep });
		expect(resultOf(findings, 'bookmark, after 9 s')).toMatchObject({
			result: 'different',
			good: false,
		});
	});

	test('reports that another client is writing', async () => {
		const { measured } = database({ afterCall: (open) => open.exec('INSERT INTO t VALUES (1)') });
		const findings = await measureReads(measured, reads);
		expect(resultOf(findings, 'change counter, during reads')).toMatchObject({ good: false });
	});
});
