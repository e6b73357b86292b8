import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { delimiter } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startApp } from '../../../tests/app/app.ts';
import { forgetCodes } from '../../../tests/app/bucket.ts';
import { asD1, openLocalFile } from '../../../tests/local-database.ts';
import {
	dumpLocally,
	type Ended,
	localDifferences,
	operate,
	projectFolder,
	removeFolder,
	runLocally,
	sqlite3,
} from '../../../tests/operator.ts';
import { survey } from '../../lib/server/backup/restore/survey.ts';
import { openBackup } from '../sources/files.ts';
import { loadSample } from '../demo/sample.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { Progress } from '../terminal/progress.ts';
import { remoteTarget } from '../targets/remote.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** The sample data for all tests: a database and an SQL file made from it. */
let project: string;
let original: string;
let file: string;
/** A folder for each test. */
let target: string;

beforeAll(async () => {
	project = projectFolder();
	original = join(project, 'original');
	file = join(project, 'backup.sql');
	using database = openLocalFile(original);
	await loadSample(asD1(database));
	await dumpLocally(original, file);
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	target = join(project, `target-${Math.random()}`);
	mkdirSync(target);
});
afterEach(() => removeFolder(target));

const restore = (args: string[], options?: Parameters<typeof operate>[3]): Promise<Ended> =>
	operate(project, 'restore', args, options);
const into = (...more: string[]) => [file, '--unsigned', '--to', `local:${target}`, ...more];

/** The checksum that Debian's sqlite3 makes of a file's contents and definitions. */
const sum = (path: string) => sqlite3(path, '.sha3sum --schema');

describe('a file restores', () => {
	test('into the embedded database', async () => {
		const { code, stdout } = await restore(into());
		expect(code).toBe(0);
		expect(stdout).toMatch(/^demo_orders +1,200$/m);
		expect(await localDifferences(original, target)).toEqual([]);
	});

	test('into an SQLite file', async () => {
		const path = join(target, 'restored.db');
		expect(await restore([file, '--unsigned', '--to', path])).toMatchObject({ code: 0 });
		const theirs = join(target, 'theirs.db');
		sqlite3(theirs, readFileSync(file, 'utf8'));
		expect(sqlite3(path, 'SELECT count(*) FROM demo_customers')).toBe('490');
		expect(sum(path)).toBe(sum(theirs));
		expect(readdirSync(target).toSorted()).toEqual(['restored.db', 'theirs.db']);
	});

	test('from the app, by name and as the latest', async () => {
		const server = await startApp(original, { TOTP_SECRET: SECRET });
		try {
			const env = { TOTP_SECRET: SECRET, BACKUP_URL: server.url };
			const { code, stdout } = await operate(project, 'drill', ['latest', '--json'], { env });
			expect([code, JSON.parse(stdout).code]).toEqual([2, 'backup_not_found']);

			const { TOTP } = await import('../../lib/totp.js');
			const bearer = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
			const made = await fetch(`${server.url}/api/backup`, {
				method: 'POST',
				headers: { Authorization: `Bearer ${bearer}` },
			});
			const { backup } = (await made.json()) as { backup: { name: string } };
			const path = join(target, 'latest.db');
			expect(await restore(['latest', '--to', path], { env })).toMatchObject({ code: 0 });
			const again = join(target, 'named.db');
			const named = await restore([backup.name, '--to', again, '--json'], { env });
			expect(JSON.parse(named.stdout)).toMatchObject({ restored: true, backup: backup.name });
			const theirs = join(target, 'theirs.db');
			sqlite3(theirs, readFileSync(file, 'utf8'));
			expect([sum(path), sum(again)]).toEqual([sum(theirs), sum(theirs)]);

			forgetCodes(original);
			const drilled = await operate(project, 'drill', ['latest', '--record'], { env });
			expect(drilled).toMatchObject({ code: 0 });
			expect(drilled.stdout).toContain(`${backup.name} restores.`);
			const list = await fetch(`${server.url}/api/backup`, {
				headers: {
					Authorization: `Bearer ${await new TOTP(SECRET).generateTOTP(Date.now() / 1000)}`,
				},
			});
			const { backups } = (await list.json()) as { backups: { drilled: unknown }[] };
			expect(backups[0]?.drilled).toMatchObject({ proven: true });
		} finally {
			await server.stop();
		}
	});
});

describe('a target that is not empty', () => {
	const MINE = ['CREATE TABLE mine (a)', 'INSERT INTO mine VALUES (7)'];
	let path: string;
	beforeEach(() => {
		path = join(target, 'file.db');
		sqlite3(path, `${MINE.join(';')};`);
	});

	test.for([
		['is refused', [], 'target_not_empty'],
		['is not replaced without its name', ['--replace'], 'replace_not_confirmed'],
		['is not replaced by another name', ['--replace', '--yes', 'remote'], 'replace_not_confirmed'],
		[
			'is not changed when a requested table is not in the backup',
			['--tables', 'nothing'],
			'table_unknown',
		],
	] as const)('%s', async ([, more, code]) => {
		const ended = await restore([file, '--unsigned', '--to', path, ...more, '--json']);
		expect([ended.code, JSON.parse(ended.stdout).code]).toEqual([2, code]);
		expect(sqlite3(path, 'SELECT a FROM mine')).toBe('7');
	});

	test('is replaced when its name is given, and its contents are saved first', async () => {
		runLocally(target, ...MINE);
		const ended = await restore(into('--replace', '--yes', 'local', '--json'));
		expect(ended.code).toBe(0);
		expect(await localDifferences(original, target)).toEqual([]);
		const { kept } = JSON.parse(ended.stdout) as { kept: { file: string } };
		const taken = join(target, 'kept.db');
		expect(await restore([kept.file, '--to', taken])).toMatchObject({ code: 0 });
		expect(sqlite3(taken, 'SELECT a FROM mine')).toBe('7');
	});

	test('is saved next to the new one if it is an SQLite file', async () => {
		expect(
			await restore([file, '--unsigned', '--to', path, '--replace', '--yes', 'file.db']),
		).toMatchObject({
			code: 0,
		});
		const [kept = ''] = readdirSync(target).filter((name) => name.startsWith('file.db.before-'));
		expect(sqlite3(join(target, kept), 'SELECT a FROM mine')).toBe('7');
		expect(sqlite3(path, 'SELECT count(*) FROM demo_orders')).toBe('1200');
	});
});

test('the rows of some tables are restored, and newer rows of others stay', async () => {
	cpSync(original, target, { recursive: true });
	runLocally(
		target,
		'DELETE FROM demo_order_lines',
		'UPDATE demo_orders SET remark = NULL',
		`INSERT INTO demo_events VALUES (1, 'newer', NULL)`,
	);
	const tables = ['--tables', 'demo_orders,DEMO_ORDER_LINES', '--yes', 'local'];
	expect(await restore(into(...tables))).toMatchObject({ code: 0 });
	expect(await localDifferences(original, target)).toEqual([
		expect.stringMatching(/^demo_events: rowid integer \d+ was not there before$/),
	]);
});

describe('a damaged file', () => {
	test.for([
		[
			'a flipped bit',
			(text: string) => text.replace('Leave it at the pier', 'Leave it at the piep'),
		],
		['a lost end', (text: string) => text.slice(0, 600_000)],
		['a lost row', (text: string) => text.replace(/\n\(600,.*\n/, '\n')],
	] as const)('with %s is refused, and the target stays empty', async ([, damage]) => {
		const damaged = join(target, 'damaged.sql');
		writeFileSync(damaged, damage(readFileSync(file, 'utf8')));
		const ended = await restore([damaged, '--unsigned', '--to', `local:${target}`, '--json']);
		expect(ended.code).toBe(1);
		expect(JSON.parse(ended.stdout).code).toMatch(/^(backup_differs|sql_incomplete)$/);
		expect(runLocally(target, `SELECT name FROM sqlite_schema WHERE name LIKE 'demo%'`)).toEqual([
			[],
		]);
	});

	test('that SQLite refuses leaves the target empty, and the error names the place', async () => {
		const bad = join(target, 'bad.sql');
		writeFileSync(
			bad,
			'CREATE TABLE t (a UNIQUE);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);',
		);
		const ended = await restore([bad, '--to', `local:${target}`]);
		expect(ended.code).toBe(2);
		expect(ended.stderr).toContain('line 3, column 1: SQLite refuses it: UNIQUE constraint failed');
		expect(ended.stderr).toContain('Nothing was changed.');
	});
});

describe('a database on Cloudflare', () => {
	/** Puts a stand-in on the PATH that records how it was called and answers from a file. */
	async function withWrangler<T>(answer: string, work: () => Promise<T>): Promise<[T, string[]]> {
		const [bin, log] = [join(target, 'bin'), join(target, 'calls')];
		mkdirSync(bin);
		writeFileSync(join(bin, 'wrangler'), `#!/bin/sh\necho "$@" >> ${log}\necho '${answer}'\n`);
		chmodSync(join(bin, 'wrangler'), 0o755);
		vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH']}`);
		try {
			const result = await work();
			return [result, existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []];
		} finally {
			vi.unstubAllEnvs();
		}
	}
	const context = { signal: new AbortController().signal, progress: new Progress() };
	const plan = async (path: string) => {
		const { sql } = await openBackup(path, { unsigned: true }, context);
		return {
			sql,
			survey: await survey(sql),
			tables: null,
			kept: null,
			header: null,
			onProgress: () => {},
		};
	};

	test('receives a small file through its binding', async () => {
		await using database = new EmbeddedDatabase({ kind: 'new', persistTo: target });
		const remote = remoteTarget('production', database, context);
		const [, none] = await withWrangler('{}', async () => remote.restore(await plan(file)));
		expect(none).toEqual([]);
		expect(await remote.count(['demo_orders'])).toEqual([1200]);
	});
});

describe('the command line', () => {
	test.for([
		[['--help'], 0, 'Usage: npm run restore'],
		[[], 2, 'Say which backup'],
		[['latest'], 2, 'Say where to restore it'],
		[['package.json', '--to', 'elsewhere'], 2, 'is not a target'],
		[['nothing.sql', '--to', 'x.db'], 2, 'nothing.sql is neither a file'],
		[['--force'], 2, "Unknown option '--force'"],
	] as const)('%s', async ([args, code, told]) => {
		const ended = await restore([...args]);
		expect(ended.code).toBe(code);
		expect(ended.stdout + ended.stderr).toContain(told);
	});
});

describe('a drill of a file', () => {
	const drill = (path: string) =>
		operate(project, 'drill', ['--file', path, '--unsigned', '--json']);

	test('proves it', async () => {
		const { code, stdout } = await drill(file);
		expect([code, JSON.parse(stdout)]).toMatchObject([0, { proven: true, differences: [] }]);
	});

	test('names the differences', async () => {
		const changed = join(target, 'changed.sql');
		const text = readFileSync(file, 'utf8');
		writeFileSync(
			changed,
			text.replace('CREATE INDEX demo_orders_customer', 'CREATE INDEX demo_other'),
		);
		const { code, stdout } = await drill(changed);
		expect(code).toBe(1);
		expect(JSON.parse(stdout)).toMatchObject({
			proven: false,
			differences: ['The schema has other definitions.'],
		});
	});

	test('proves one of another program too', async () => {
		const other = join(target, 'other.sql');
		writeFileSync(other, 'CREATE TABLE t (a);');
		const { code, stdout } = await drill(other);
		expect([code, JSON.parse(stdout)]).toMatchObject([0, { proven: true, tables: 1 }]);
	});
});
