import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
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
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
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

/**
 * The differences from the database DB after each kind of restore of its file: by wrangler's own
 * splitting, in one batch; by Debian's sqlite3; by the engine into D1, as in a drill; and by `npm run
 * restore` into each local target. The engine and the command read it in chunks of the given sizes.
 */
async function lossesOf(
	{ file, warnings }: Backup,
	sizes: number[] = [65_536],
): Promise<Record<string, string[]>> {
	const split = await splitLikeWrangler(new TextDecoder().decode(file));
	const encoder = new TextEncoder();
	const tooLong = split.filter((sql) => encoder.encode(sql).length > MAX_STATEMENT_BYTES);
	await env.COPY.batch(split.map((sql) => env.COPY.prepare(sql)));

	const original = await snapshot(d1(env.DB));
	const copy = await snapshot(d1(env.COPY));
	const elsewhere = await snapshot(sqlite3(env.WITNESS, file));
	await restoreEverywhere(file, sizes);
	const source = sourceOf(file, sizes);
	await restoreInto(d1Database(env.DRILL_DB), source, { survey: await survey(source), sleep });
	const drilled = await snapshot(d1(env.DRILL_DB));
	const local = await snapshot(restored(env.WITNESS, 'local'));
	const sqliteFile = await snapshot(restored(env.WITNESS, 'file'));
	const lost = (before: Snapshot, after: Snapshot) =>
		unexpected(differences(before, after), warnings);
	return {
		tooLong: tooLong.map((sql) => sql.slice(0, 200)).filter((sql) => !sql.startsWith('CREATE')),
		d1: lost(original, copy),
		sqlite3: lost(withUnixLineEnds(original), withUnixLineEnds(elsewhere)),
		drill: lost(original, drilled),
		local: lost(original, local),
		file: lost(original, sqliteFile),
	};
}

async function restoreEverywhere(file: Uint8Array, sizes: number[]): Promise<void> {
	const body = JSON.stringify({ script: file.toBase64(), sizes });
	const response = await env.WITNESS.fetch('http://witness/restore', { method: 'POST', body });
	if (!response.ok) throw new Error(await response.text());
}

const blobs = (count: number): Sql[] => [
	['CREATE TABLE "large, so that there are pages" (x)'],
	...Array.from({ length: count }, (): Sql => [
		'INSERT INTO "large, so that there are pages" VALUES (zeroblob(1100000))',
	]),
];
/** Makes some databases large enough to be read page by page, or restored in several transactions. */
const LARGE = [blobs(2), blobs(1)];

const NONE = { tooLong: [], d1: [], sqlite3: [], drill: [], local: [], file: [] };

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
	test.for(cases)('$name', { timeout: 120_000 }, async ({ name, statements }) => {
		const backup = await backUp(statements);
		expect(await lossesOf(backup)).toEqual(NONE);
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

	test('accepts every named case', { timeout: 300_000 }, async () => {
		for (const { name, statements } of cases) {
			if (scripts.has(name)) continue; // unless this test runs alone
			scripts.set(name, await scriptOf(await backUp(statements)));
		}
		// Wrangler takes seconds to start, so it gets all cases in one file, each cleared before the next.
		// If it fails, running them one by one shows which case it refuses.
		if ((await refusal([...scripts.values()].join(''))) === '') return;
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
	const random = settings(300);
	const encodings = fc.constantFrom(...(Object.keys(ENCODINGS) as EncodingTitle[]));
	// Half of them are made in one step.
	const budgets = fc.option(
		fc.record({
			queries: fc.integer({ min: 1, max: 60 }),
			bytes: fc.integer({ min: 1, max: 4_000_000 }),
			milliseconds: fc.integer({ min: 1, max: 200 }),
		}),
		{ freq: 1, nil: UNLIMITED },
	);
	const chunkSizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 3, maxLength: 8 });

	test('are restored exactly', random.test, async () => {
		await fc.assert(
			fc.asyncProperty(
				databases(),
				fc.nat(7),
				chunkSizes,
				encodings,
				budgets,
				async ({ statements }, dice, sizes, encoding, limits) => {
					const budget = { ...UNLIMITED, ...limits };
					const more = LARGE[dice] ?? [];
					const backup = await backUp([...statements, ...more], encoding, budget);
					expect(await lossesOf(backup, sizes)).toEqual(NONE);
				},
			),
			random.check,
		);
	});
});
