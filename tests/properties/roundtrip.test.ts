import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PAGED } from '../backups.ts';
import { LONG } from '../counts.ts';
import { cases } from '../databases/cases.ts';
import { differences, unexpected, withUnixLineEnds } from '../databases/compare.ts';
import { databases } from '../databases/generate.ts';
import { settings } from '../databases/settings.ts';
import { type Snapshot, snapshot } from '../databases/snapshot.ts';
import { d1, restored, sqlite3 } from '../databases/sources.ts';
import type { Sql } from '../databases/sql.ts';
import { splitLikeWrangler } from '../restore.ts';
import { ENCODINGS, type EncodingTitle } from '../encodings.ts';
import { backupOf, bytesOf, sleep, sourceOf } from '../memory.ts';
import type { Budget } from '../../src/lib/server/backup/engine.ts';
import { d1 as d1Database, type SqlDatabase } from '../../src/lib/server/backup/database.ts';
import { restoreInto } from '../../src/lib/server/backup/restore/apply.ts';
import { clearDatabase } from '../../src/lib/server/backup/restore/contents.ts';
import { survey } from '../../src/lib/server/backup/restore/survey.ts';
import { sqlOf } from '../../src/lib/server/backup/prove/files.ts';

// The property that Lifeboat exists for: a restore brings back exactly what was backed up, on D1 and in
// any SQLite.

/** D1's limit is 100,000; docs/format.md promises a margin. */
const MAX_STATEMENT_BYTES = 90_000;

interface Backup {
	/** Its SQL. */
	file: Uint8Array;
	warnings: string[];
}

/** A backup of this database, stored in this way. */
async function backUp(
	statements: readonly Sql[],
	encoding?: EncodingTitle,
	budget?: Budget,
): Promise<Backup> {
	const backup = await backupOf(statements, encoding, budget);
	return { file: await bytesOf(sqlOf(backup)), warnings: backup.manifest.warnings };
}

function isTooLong(sql: string): boolean {
	return !sql.startsWith('CREATE') && new TextEncoder().encode(sql).length > MAX_STATEMENT_BYTES;
}

/** A way to restore a file, read in chunks of the given sizes if it can be. Returns what is there then. */
type Restore = (file: Uint8Array, sizes: number[]) => Promise<Snapshot>;

const WAYS = {
	/** By wrangler's own splitting, in one batch. */
	async d1(file) {
		const split = await splitLikeWrangler(new TextDecoder().decode(file));
		expect(split.filter(isTooLong).map((sql) => sql.slice(0, 200))).toEqual([]);
		await env.COPY.batch(split.map((sql) => env.COPY.prepare(sql)));
		return snapshot(d1(env.COPY));
	},
	/** By Debian's sqlite3. */
	sqlite3: (file) => snapshot(sqlite3(env.WITNESS, file)),
	/** By the engine into D1, as in a drill. */
	async drill(file, sizes) {
		const source = sourceOf(file, sizes);
		await restoreInto(d1Database(env.DRILL_DB), source, { survey: await survey(source), sleep });
		return snapshot(d1(env.DRILL_DB));
	},
	/** By `npm run restore` into each local target. */
	local: (file, sizes) => restoreLocally(file, sizes, 'local'),
	file: (file, sizes) => restoreLocally(file, sizes, 'file'),
} satisfies Record<string, Restore>;

type Way = keyof typeof WAYS;
const ALL_WAYS = Object.keys(WAYS) as Way[];

async function restoreLocally(
	file: Uint8Array,
	sizes: number[],
	target: 'local' | 'file',
): Promise<Snapshot> {
	const body = JSON.stringify({ script: file.toBase64(), sizes, target });
	const response = await env.WITNESS.fetch('http://witness/restore', { method: 'POST', body });
	if (!response.ok) throw new Error(await response.text());
	return snapshot(restored(env.WITNESS, target));
}

/** The differences from the database DB after its file was restored in each of these ways, in words. */
async function lossesOf(
	{ file, warnings }: Backup,
	ways: Way[] = ALL_WAYS,
	sizes: number[] = [65_536],
): Promise<string[]> {
	const original = await snapshot(d1(env.DB));
	const losses: string[] = [];
	for (const way of ways) {
		const copy = await WAYS[way](file, sizes);
		const found =
			way === 'sqlite3'
				? differences(withUnixLineEnds(original), withUnixLineEnds(copy))
				: differences(original, copy);
		losses.push(...unexpected(found, warnings).map((loss) => `${way}: ${loss}`));
	}
	return losses;
}

const blobs = (count: number): Sql[] => [
	['CREATE TABLE "large, so that there are pages" (x)'],
	...Array.from({ length: count }, (): Sql => [
		'INSERT INTO "large, so that there are pages" VALUES (zeroblob(1100000))',
	]),
];
/** Makes some databases large enough to be read page by page, or restored in several transactions. */
const LARGE = [blobs(2), blobs(1)];

/** The files of the named cases, each followed by the statements that empty its database again. */
const scripts = new Map<string, string>();

/** The script of the file of the database DB. */
async function scriptOf({ file }: Backup): Promise<string> {
	let clearing: string[] = [];
	const database = d1Database(env.DB);
	const recording: SqlDatabase = {
		batch(statements) {
			clearing = statements;
			return database.batch(statements);
		},
	};
	await clearDatabase(recording, sleep);
	return new TextDecoder().decode(file) + clearing.map((sql) => `${sql};\n`).join('');
}

describe('named cases', () => {
	test.for(cases)('$name', async ({ name, statements }) => {
		const backup = await backUp(statements);
		expect(await lossesOf(backup)).toEqual([]);
		scripts.set(name, await scriptOf(backup));
	});
});

describe('wrangler d1 execute --local --file', () => {
	/** Its error about a file; '' when it accepts it. */
	async function refusal(sql: string): Promise<string> {
		const response = await env.WITNESS.fetch('http://witness/execute', {
			method: 'POST',
			body: sql,
		});
		return response.text();
	}

	/** Wrangler takes some 3 ms for each: a short run spares it the case of 300 tables. */
	const maxStatements = LONG ? Number.POSITIVE_INFINITY : 1000;

	test('accepts every named case', { timeout: 300_000 }, async () => {
		for (const { name, statements } of cases) {
			if (scripts.has(name)) continue; // unless this test runs alone
			scripts.set(name, await scriptOf(await backUp(statements)));
		}
		// Wrangler takes seconds to start, so it gets all cases in one file, each cleared before the next.
		// If it fails, running them one by one shows which case it refuses.
		const all = scripts.values().filter((sql) => sql.split(';\n').length <= maxStatements);
		if ((await refusal([...all].join(''))) === '') return;
		const refused: string[] = [];
		for (const [name, sql] of scripts) {
			const words = await refusal(sql);
			if (words !== '') refused.push(`${name}: ${words}`);
		}
		expect(refused).toEqual([]);
		throw new Error('Wrangler refuses the cases in one file only.');
	});
});

describe('generated databases', () => {
	/** Each takes half a second, so a short run tries fewer than an eighth of them. */
	const random = settings(LONG ? 300 : 160);
	const encodings = fc.constantFrom(...(Object.keys(ENCODINGS) as EncodingTitle[]));
	// Half of them are made in one step.
	const budgets = fc.option(
		fc.record({
			queries: fc.integer({ min: 1, max: 60 }),
			bytes: fc.integer({ min: 1, max: 4_000_000 }),
			milliseconds: fc.integer({ min: 1, max: 200 }),
		}),
		{ freq: 1, nil: PAGED },
	);
	const chunkSizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 3, maxLength: 8 });
	// The named cases are restored in all ways at any length.
	const waysToTry = LONG
		? fc.constant(ALL_WAYS)
		: fc.subarray(ALL_WAYS, { minLength: 2, maxLength: 2 });

	test('are restored exactly', random.test, async () => {
		await fc.assert(
			fc.asyncProperty(
				databases(),
				fc.nat(7),
				chunkSizes,
				encodings,
				budgets,
				waysToTry,
				async ({ statements }, dice, sizes, encoding, limits, ways) => {
					const budget = { ...PAGED, ...limits };
					const more = LARGE[dice] ?? [];
					const backup = await backUp([...statements, ...more], encoding, budget);
					expect(await lossesOf(backup, ways, sizes)).toEqual([]);
				},
			),
			random.check,
		);
	});
});
