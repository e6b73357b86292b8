import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
	backupOf,
	bytesOf,
	FIRST_LINE,
	lifeboatFile,
	sleep,
	sourceOf,
} from '../../../../../tests/memory.ts';
import { isTurn, SEED } from '../../../../../tests/counts.ts';
import { reset } from '../../../../../tests/reset.ts';
import { differences } from '../../../../../tests/databases/compare.ts';
import { type Snapshot, snapshot } from '../../../../../tests/databases/snapshot.ts';
import { d1 as readable } from '../../../../../tests/databases/sources.ts';
import { apply, type Sql } from '../../../../../tests/databases/sql.ts';
import { counting } from '../../../../../tests/databases/values.ts';
import { d1, type SqlDatabase } from '../database.ts';
import { sqlOf } from '../prove/files.ts';
import { restoreInto } from './apply.ts';
import { clearDatabase, readContents } from './contents.ts';
import type { SqlSource } from './source.ts';
import { type Survey, survey } from './survey.ts';

const copy = d1(env.COPY);
const contents = async () => (await readContents(copy, sleep)).objects;
const lost = async () => differences(original, await snapshot(readable(env.COPY)));

/** Cheaper than {@link lost}, for many restores of the same file. */
async function sums(database: D1Database): Promise<unknown> {
	const queries = [
		'SELECT count(*), sum(id * best), sum(length(x)) FROM parent',
		'SELECT count(*), sum(id * parent), sum(length(x)) FROM child',
		'SELECT count(*), sum(id * up), sum(length(x)) FROM tree',
		'SELECT count(*), sum(rowid), sum(length(x)) FROM loose',
		'SELECT count(*), sum(rowid * up) FROM hidden',
		'SELECT count(*), sum(late) FROM early',
		'SELECT count(*), sum(id), sum(length(x)) FROM late',
		'SELECT count(*) FROM sqlite_schema',
	];
	return Promise.all(queries.map((sql) => database.prepare(sql).raw()));
}

async function restore(source: SqlSource) {
	return restoreInto(copy, source, { survey: await survey(source), sleep });
}

const ROWS = 500;

/** More than one transaction's worth: two tables in a circle, a table that refers to itself. */
const LARGE: Sql[] = [
	[
		`CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id) ON DELETE CASCADE, x TEXT)`,
	],
	[`CREATE TABLE parent (id INTEGER PRIMARY KEY, best REFERENCES child (id), x TEXT)`],
	[`CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES tree (id), x TEXT)`],
	[`CREATE TABLE early (late REFERENCES late (id), x)`],
	[`CREATE TABLE loose (x)`],
	[`CREATE TABLE late (id INTEGER PRIMARY KEY, x)`],
	[`CREATE TABLE hidden (rowid, _rowid_, oid, up REFERENCES tree (id))`],
	[`${counting(ROWS)} INSERT INTO parent SELECT i, NULL, hex(randomblob(900)) FROM counting`],
	[
		`${counting(ROWS)} INSERT INTO child SELECT i, ${ROWS + 1} - i, hex(randomblob(900)) FROM counting`,
	],
	[`UPDATE parent SET best = id % ${ROWS} + 1`],
	[`INSERT INTO tree SELECT id, ${ROWS + 1} - id, x FROM parent`],
	[`INSERT INTO loose (rowid, x) SELECT id * 7, x FROM child`],
	[`INSERT INTO hidden SELECT id % 3, 1, 1, id FROM tree`],
	[`INSERT INTO late SELECT id, x FROM child`],
	[`INSERT INTO early SELECT id, id FROM late`],
	[`CREATE UNIQUE INDEX by_x ON loose (x)`],
	[`CREATE TRIGGER harm AFTER INSERT ON loose BEGIN DELETE FROM tree; END`],
];

let large: SqlSource;
let found: Survey;
let original: Snapshot;
let originalSums: unknown;
beforeAll(async () => {
	large = sqlOf(await backupOf(LARGE));
	found = await survey(large);
	original = await snapshot(readable(env.DB));
	originalSums = await sums(env.DB);
});
beforeEach(reset);

const restoreLarge = (database: SqlDatabase = copy) =>
	restoreInto(database, large, { survey: found, sleep });

describe('a file larger than one transaction', () => {
	test('is restored, with circles and rows that refer to later rows', async () => {
		expect((await restoreLarge()).mode).toBe('batches');
		expect(await lost()).toEqual([]);
	});

	test('is restored even if D1 accepts only a few statements at a time', async () => {
		const weak: SqlDatabase = {
			async batch(statements) {
				const ours = statements.some((sql) => String(sql).includes('FROM "lifeboat_stage'));
				if (statements.length > 12 && !ours) throw new Error('D1_ERROR: out of memory');
				return copy.batch(statements);
			},
		};
		await restoreLarge(weak);
		expect(await lost()).toEqual([]);
	});

	test('reports its progress', async () => {
		const seen: number[] = [];
		const onProgress = ({ bytes }: { bytes: number }) => void seen.push(bytes);
		await restoreInto(copy, large, { survey: found, sleep, onProgress });
		expect(seen.length).toBeGreaterThan(10);
		expect(seen).toEqual(seen.toSorted((a, b) => a - b));
		expect(seen.at(-1)).toBe(found.bytes);
	});
});

describe('the target', () => {
	test('is refused if it is not empty, and stays as it is', async () => {
		const source = lifeboatFile('CREATE TABLE t (a); INSERT INTO t (a) VALUES (1);');
		await env.COPY.prepare('CREATE VIEW v AS SELECT 1').run();
		await expect(restore(source)).rejects.toMatchObject({
			code: 'target_not_empty',
			status: 409,
		});
		expect(await contents()).toMatchObject([{ type: 'view', name: 'v' }]);
	});

	test('is replaced if its contents were saved', async () => {
		await restoreLarge();
		await env.COPY.prepare('DELETE FROM loose').run();
		await restoreInto(copy, large, { survey: found, sleep, replace: true });
		expect(await lost()).toEqual([]);
	});

	test('is cleared of every kind of object', async () => {
		await apply(env.COPY, [
			...LARGE,
			['CREATE VIEW v AS SELECT 1'],
			['CREATE VIRTUAL TABLE f USING fts5(x)'],
			['CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)'],
		]);
		expect((await contents()).length).toBeGreaterThan(8);
		await clearDatabase(copy, sleep);
		expect(await contents()).toEqual([]);
	});
});

test('a table that refers to itself with an action and to another is cleared', async () => {
	await copy.batch([
		'PRAGMA defer_foreign_keys=ON',
		`CREATE TABLE person (id INTEGER PRIMARY KEY, friend REFERENCES person (id) ON DELETE SET NULL,
			favourite REFERENCES product (id))`,
		'CREATE TABLE product (id INTEGER PRIMARY KEY)',
		'CREATE TABLE orders (id INTEGER PRIMARY KEY, person REFERENCES person (id))',
		'CREATE TABLE lines (orders REFERENCES orders (id) ON DELETE CASCADE, product REFERENCES product (id))',
		'INSERT INTO product VALUES (1)',
		'INSERT INTO person VALUES (1, 2, 1), (2, 1, 1)',
		'INSERT INTO orders VALUES (1, 1)',
		'INSERT INTO lines VALUES (1, 1)',
	]);
	await clearDatabase(copy, sleep);
	expect(await contents()).toEqual([]);
});

test('a file that Lifeboat did not write is refused, and so is one with other statements', async () => {
	await copy.batch(['CREATE TABLE mine (a)']);
	for (const [source, code] of [
		[sourceOf('CREATE TABLE t (a);'), 'file_has_no_digests'],
		[lifeboatFile(`CREATE TABLE t (a); ATTACH 'x.db' AS x;`), 'statement_not_allowed'],
	] as const) {
		const options = { survey: await survey(source), sleep, replace: true };
		await expect(restoreInto(copy, source, options)).rejects.toMatchObject({ code, status: 422 });
		expect(await contents()).toMatchObject([{ type: 'table', name: 'mine' }]);
	}
});

describe('failures', () => {
	/** The database, except that its n-th batch fails, before or after it is done. */
	function failing(
		n: number,
		message: string,
		afterwards: boolean,
	): SqlDatabase & { failed: boolean } {
		let calls = 0;
		return {
			failed: false,
			async batch(statements) {
				if (++calls !== n) return copy.batch(statements);
				this.failed = true;
				if (afterwards) await copy.batch(statements);
				throw new Error(message);
			},
		};
	}

	test.for([
		['before it was done', false],
		['after it was done', true],
	] as const)(
		'of D1 at any call, %s, leave the target empty or completely restored',
		async ([, afterwards]) => {
			let [n, failures] = [0, 0];
			for (let failed = true; failed;) {
				const database = failing(++n, 'D1_ERROR: disk I/O error', afterwards);
				const outcome = await restoreLarge(database).catch((error: { code: string }) => error);
				({ failed } = database);
				if (outcome instanceof Error) {
					expect(await contents(), `call ${n}`).toEqual([]);
				} else if (failed) {
					expect(await sums(env.COPY), `call ${n}`).toEqual(originalSums);
					await clearDatabase(copy, sleep);
				}
				if (outcome instanceof Error) failures++;
			}
			expect(failures).toBeGreaterThan(6);
			expect(await lost()).toEqual([]);
		},
	);

	test.for([
		['before it was done', false],
		['after it was done', true],
	] as const)('of D1 for a moment, %s: the restore succeeds', async ([, afterwards]) => {
		for (let n = 1, failed = true; failed; n++) {
			if (!isTurn(n + Number(afterwards))) continue; // before one call, and after the next
			const database = failing(n, 'D1_ERROR: Network connection lost.', afterwards);
			await restoreLarge(database);
			({ failed } = database);
			expect(await sums(env.COPY), `call ${n}, LIFEBOAT_SEED=${SEED}`).toEqual(originalSums);
			await clearDatabase(copy, sleep);
		}
	});

	test('name the statement, its position and its table', async () => {
		const good = Array.from({ length: 50 }, (_, at) => `INSERT INTO t (a) VALUES (${at});\n`).join(
			'',
		);
		const start = `CREATE TABLE t (a UNIQUE);\n${good}`;
		await expect(
			restore(lifeboatFile(`${start}INSERT INTO t (a) VALUES (7);\n${good}`)),
		).rejects.toMatchObject({
			code: 'restore_refused',
			status: 422,
			message: `Statement 52, at byte ${FIRST_LINE.length + start.length} (table "t") was refused by the database: UNIQUE constraint failed: t.a.`,
		});
		expect(await contents()).toEqual([]);
	});

	test('of foreign keys are reported', async () => {
		const text =
			'CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t (id)); INSERT INTO t (id,up) VALUES (1,2);';
		await expect(restore(lifeboatFile(text))).rejects.toMatchObject({
			code: 'restore_refused',
			message: expect.stringContaining('foreign key'),
		});
		expect(await contents()).toEqual([]);
	});

	test('because of a truncated file leave the target empty', async () => {
		const bytes = await bytesOf(large);
		const cut = sourceOf(bytes.subarray(0, 3_000_000));
		await expect(survey(cut)).rejects.toMatchObject({ code: 'sql_incomplete' });
		await expect(restoreInto(copy, cut, { survey: found, sleep })).rejects.toMatchObject({
			code: 'sql_incomplete',
		});
		expect(await contents()).toEqual([]);
	});
});
