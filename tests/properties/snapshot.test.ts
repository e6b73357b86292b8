import { env } from 'cloudflare:workers';
import type { D1PreparedStatement } from '@cloudflare/workers-types';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { counted, SEED } from '../counts.ts';
import { reset } from '../reset.ts';
import { createBackup, engine } from '../backups.ts';
import { restoreIntoCopy } from '../restore.ts';

beforeEach(reset);

const ROWS = 3_000;

/** Lets other work run, as a network call to a database does. */
const pause = () => env.WITNESS.fetch('http://witness/pause');

const distant = new Proxy(env.DB, {
	get(target, property) {
		if (property !== 'withSession') return Reflect.get(target, property);
		return (constraint: string) => {
			const session = target.withSession(constraint);
			return {
				prepare: session.prepare.bind(session),
				getBookmark: session.getBookmark.bind(session),
				async batch(statements: D1PreparedStatement[]) {
					await pause();
					return session.batch(statements);
				},
			};
		};
	},
});

const slowly = engine({
	database: distant,
	now: Date.now,
	sleep: async () => void (await pause()),
});

/**
 * Two tables of several pages each, which a dump reads one after the other. Every write changes both in
 * one transaction, so a mixture of two states shows two versions.
 */
async function prepare(): Promise<void> {
	const rows = `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})`;
	await env.DB.batch(
		[
			`CREATE TABLE first (id INTEGER PRIMARY KEY, version INTEGER, x TEXT)`,
			`CREATE TABLE last (id INTEGER PRIMARY KEY, version INTEGER, x TEXT)`,
			`${rows} INSERT INTO first SELECT i, 0, hex(randomblob(400)) FROM n`,
			`${rows} INSERT INTO last SELECT i, 0, hex(randomblob(400)) FROM n`,
		].map((sql) => env.DB.prepare(sql)),
	);
}

/** Writes repeatedly until stopped; `stop` returns the number of writes. */
function startWriter(write: (version: number) => Promise<unknown>): { stop(): Promise<number> } {
	let running = true;
	let version = 0;
	const done = (async () => {
		while (running) {
			await write(++version);
			await pause();
		}
		return version;
	})();
	return {
		stop() {
			running = false;
			return done;
		},
	};
}

/** Writes the first row of one table and the last row of the other. */
const writeBoth = (version: number) =>
	env.DB.batch(
		[
			`UPDATE first SET version = ${version} WHERE id = ${1 + (version % 100)}`,
			`UPDATE last SET version = ${version} WHERE id = ${ROWS - (version % 100)}`,
		].map((sql) => env.DB.prepare(sql)),
	);

async function newestVersions(): Promise<unknown[]> {
	const { results } = await env.COPY.prepare(
		`SELECT (SELECT max(version) FROM first) AS first, (SELECT max(version) FROM last) AS last`,
	).all();
	return [results[0]?.['first'], results[0]?.['last']];
}

async function restore(name: string): Promise<void> {
	await restoreIntoCopy((await (await env.MY_BUCKET.get(`${name}.sql`))?.text()) ?? '');
}

describe('while others write', () => {
	test('constantly, the backup is staged and holds a single state', async () => {
		await prepare();
		const writer = startWriter(writeBoth);
		const { name, snapshot } = await createBackup(slowly);
		const written = await writer.stop();
		expect(snapshot).toMatchObject({ consistency: 'staged', attempts: 3 });
		await restore(name);
		const [first, last] = await newestVersions();
		expect(first).toBe(last);
		expect(first).toBeLessThan(written);
	});

	test('constantly to a database that may not be staged, the backup fails and stores nothing', async () => {
		await prepare();
		const writer = startWriter(writeBoth);
		const events: string[] = [];
		const unstaged = { ...slowly, stageMaxBytes: 1_000_000 };
		const backup = createBackup(unstaged, ({ event }) => void events.push(event));
		await expect(backup).rejects.toMatchObject({
			code: 'snapshot_unstable',
			status: 409,
			retryable: true,
			message: expect.stringMatching(/its \d MB may not be staged: BACKUP_STAGE_MAX_MB is 1\.$/),
			hint: expect.stringMatching(/to more than \d: .* wait once for about 1 second,/),
		});
		expect(await writer.stop()).toBeGreaterThan(5);
		expect(events.filter((event) => event === 'restart')).toHaveLength(4);
		expect((await env.MY_BUCKET.list()).objects).toEqual([]);
	});

	test('for a while, the backup starts over and holds a single state', async () => {
		await prepare();
		const writer = startWriter(writeBoth);
		let restarts = 0;
		let written = 0;
		const manifest = await createBackup(slowly, async ({ event }) => {
			if (event === 'restart' && ++restarts === 2) written = await writer.stop();
		});
		expect(manifest.snapshot.attempts).toBeGreaterThanOrEqual(3);
		await restore(manifest.name);
		expect(await newestVersions()).toEqual([written, written]);
	});

	test('now and then, the stored backup holds a single state', async () => {
		await prepare();
		let stored = 0;
		// One write at a random moment of the dump, often the only one.
		const moments = fc.sample(fc.nat(11), { numRuns: counted(48), seed: SEED });
		for (const [round, moment] of moments.entries()) {
			let writes = 0;
			let steps = 0;
			const outcome = await createBackup(slowly, ({ event }) => {
				if (event === 'rows' && steps++ === moment) {
					writes++;
					void writeBoth(round + 1);
				}
			}).catch((error: { code: string }) => error.code);
			if (typeof outcome === 'string') {
				expect(outcome).toBe('snapshot_unstable');
				continue;
			}
			stored++;
			expect(writes).toBeLessThanOrEqual(1);
			await env.COPY.batch(
				['DROP TABLE IF EXISTS first', 'DROP TABLE IF EXISTS last'].map((sql) =>
					env.COPY.prepare(sql),
				),
			);
			await restore(outcome.name);
			const [first, last] = await newestVersions();
			expect(first, `LIFEBOAT_SEED=${SEED}`).toBe(last);
		}
		expect(stored).toBeGreaterThan(0);
	});

	test('a change to the schema alone is noticed', async () => {
		await prepare();
		let changed = false;
		const manifest = await createBackup(slowly, async ({ event }) => {
			if (event !== 'rows' || changed) return;
			changed = true;
			await env.DB.prepare(`ALTER TABLE last ADD COLUMN added DEFAULT 'new'`).run();
		});
		expect(manifest.snapshot.attempts).toBe(2);
		await restore(manifest.name);
		const added = await env.COPY.prepare(`SELECT DISTINCT added FROM last`).raw();
		expect(added).toEqual([['new']]);
	});

	test('readers do not disturb a backup', async () => {
		await prepare();
		const reader = startWriter(() => env.DB.prepare('SELECT count(*) FROM last').all());
		const manifest = await createBackup(slowly);
		expect(await reader.stop()).toBeGreaterThan(3);
		expect(manifest.snapshot.attempts).toBe(1);
	});
});
