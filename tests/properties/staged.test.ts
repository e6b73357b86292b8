import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { clock, contents, createBackup, emptyBucket, engine, keys, run } from '../backups.ts';
import { counted, SEED } from '../counts.ts';
import { databases } from '../databases/generate.ts';
import { settings } from '../databases/settings.ts';
import { apply } from '../databases/sql.ts';
import { ENCODINGS, key } from '../encodings.ts';
import { dyingEngine, failingDatabase } from '../failing.ts';
import { reset } from '../reset.ts';
import { restoreIntoCopy } from '../restore.ts';
import { disturbed, LARGE, ourTables, rememberStaged } from '../staged.ts';
import { begin, contentsOf, fill, finish, inSteps, ticketOf } from '../stepped-backups.ts';
import { listBackups, resumeBackup, startBackup } from '../../src/lib/server/backup/index.ts';
import type { Engine } from '../../src/lib/server/backup/engine.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { TICKET_MS } from '../../src/lib/server/backup/make/job.ts';
import { LOCK_KEYS } from '../../src/lib/server/backup/storage/lock.ts';

beforeEach(reset);

/** The engine on a database that is too large for one batch. */
const large = (changes: Partial<Engine> = {}) => engine({ budget: LARGE, ...changes });

const write = () => run(env.DB, `UPDATE a SET x = x || '!' WHERE id = 1`);

describe('a database in use', () => {
	test('is staged after two attempts, and then at once', async () => {
		await fill(100);
		const busy = large({ database: disturbed(env.DB, write) });
		const first = await createBackup(busy);
		expect(first.snapshot).toMatchObject({ consistency: 'staged', attempts: 3 });
		expect(first.snapshot.waitedMs).toBeGreaterThan(0);
		expect(first.cost.rowsWritten).toBeGreaterThan(0);
		expect(await ourTables()).toEqual([]);
		const second = await createBackup(busy);
		expect(second.snapshot).toMatchObject({ consistency: 'staged', attempts: 1 });
		const { backups } = await listBackups(engine());
		expect(backups.map(({ waitedMs }) => waitedMs)).toEqual([
			second.snapshot.waitedMs,
			first.snapshot.waitedMs,
		]);
	});

	test('is read in one batch again once it is small enough for that', async () => {
		await run(env.DB, 'CREATE TABLE a (id INTEGER PRIMARY KEY, x)', 'INSERT INTO a VALUES (1, 2)');
		await rememberStaged();
		const busy = engine({ database: disturbed(env.DB, write), budget: UNLIMITED });
		const { snapshot } = await createBackup(busy);
		expect(snapshot).toMatchObject({ consistency: 'atomic', attempts: 1 });
	});

	test('is not staged if it has outgrown the setting', async () => {
		await fill(100);
		await rememberStaged();
		const { snapshot } = await createBackup(large({ stageMaxBytes: 10_000 }));
		expect(snapshot).toMatchObject({ consistency: 'fenced', attempts: 1 });
		expect(snapshot).not.toHaveProperty('waitedMs');
	});

	test('that is too large is tried five times, and the error says what to set', async () => {
		await fill(100);
		const busy = { database: disturbed(env.DB, write), stageMaxBytes: 10_000 };
		await expect(createBackup(large(busy))).rejects.toMatchObject({
			code: 'snapshot_unstable',
			message: expect.stringContaining('may not be staged: BACKUP_STAGE_MAX_MB is 1.'),
			hint: expect.stringContaining('wait once for about 1 second'),
		});
		await expect(createBackup(large({ ...busy, stageMaxBytes: 0 }))).rejects.toMatchObject({
			message: expect.stringContaining('BACKUP_STAGE_MAX_MB is 0.'),
		});
		expect(await ourTables()).toEqual([]);
	});

	test('with a table of the same name is not touched', async () => {
		await fill(100);
		await run(env.DB, 'CREATE TABLE Lifeboat_Stage (x)', 'INSERT INTO Lifeboat_Stage VALUES (1)');
		const before = await contents(env.DB);
		await rememberStaged();
		await expect(createBackup(large())).rejects.toMatchObject({ code: 'stage_name_taken' });
		expect(await contents(env.DB)).toBe(before);
		expect(await keys()).not.toContain(LOCK_KEYS.backup);
	});

	test('is staged by a call of its own, in few statements, on the free plan', async () => {
		await fill(100);
		let sent = 0;
		const counting = new Proxy(disturbed(env.DB, write), {
			get: (target, property) => (constraint?: string) => {
				expect(property).toBe('withSession');
				const session = target.withSession(constraint);
				return new Proxy(session, {
					get(inner, name: 'batch') {
						const value = inner[name].bind(inner);
						if (name !== 'batch') return value;
						return (all: Parameters<typeof value>[0]) => {
							sent += all.length;
							return value(all);
						};
					},
				});
			},
		});
		const budget = { ...LARGE, queries: 42, stage: 42 };
		const free = () => large({ keys: [key], budget, database: counting });
		let step = await startBackup(free());
		for (; 'resume' in step; sent = 0) {
			expect(sent).toBeLessThanOrEqual(50);
			step = await resumeBackup(free(), ticketOf(step));
		}
		expect(step.manifest.snapshot.consistency).toBe('staged');
	});
});

describe('a staged backup', () => {
	const random = settings(60);

	test('is that which is read directly, in every encoding, in steps', random.test, async () => {
		const budgets = fc.constantFrom(LARGE, { ...LARGE, queries: 9 });
		const encodings = fc.constantFrom(...Object.values(ENCODINGS));
		await fc.assert(
			fc.asyncProperty(
				databases(),
				budgets,
				encodings,
				async ({ statements }, budget, encoding) => {
					await reset();
					await apply(env.DB, statements);
					const direct = await createBackup(large({ keys: [key], encoding }));
					await rememberStaged();
					await env.MY_BUCKET.delete((await keys()).filter((name) => name.includes('_2026-')));
					const staged = await createBackup(large({ keys: [key], encoding, budget }));
					expect(staged.snapshot.consistency).toBe('staged');
					expect(staged).toMatchObject({ schema: direct.schema, tables: direct.tables });
					expect(await ourTables()).toEqual([]);
				},
			),
			random.check,
		);
	});

	test('holds one state, whatever is written after the stage was made', async () => {
		await fill(100);
		const whole = await contentsOf(await createBackup(large()));
		await emptyBucket();
		await rememberStaged();
		const ticket = await begin(0);
		await run(
			env.DB,
			`UPDATE texts SET n = 100`,
			'DELETE FROM long',
			'INSERT INTO b VALUES (1, 1)',
		);
		expect(await contentsOf(await finish(ticket))).toEqual(whole);
	});

	test('starts over if the schema changes or its stage is lost', async () => {
		await fill(100);
		await rememberStaged();
		const ticket = await begin(1);
		await run(env.DB, 'ALTER TABLE texts ADD COLUMN added');
		expect((await finish(ticket)).snapshot).toMatchObject({ consistency: 'staged', attempts: 2 });
		const other = await begin(1);
		await run(env.DB, 'DROP TABLE lifeboat_stage');
		expect((await finish(other)).snapshot).toMatchObject({ consistency: 'staged', attempts: 2 });
		expect(await ourTables()).toEqual([]);
	});

	test('whose stage cannot be dropped is a backup, and the next one drops it', async () => {
		await fill(100);
		await rememberStaged();
		const counting = dyingEngine(large(), Number.POSITIVE_INFINITY);
		await createBackup(counting.engine);
		let calls = 0;
		await createBackup(large({ database: disturbed(env.DB, async () => void calls++) }));
		const message = 'D1_ERROR: away: SQLITE_ERROR';
		const failing = failingDatabase(env.DB, calls - 1, message, { forGood: true });
		await createBackup(large({ database: failing.database }));
		expect(failing.failures.failed).toBeGreaterThan(0);
		expect(await ourTables()).toHaveLength(2);
		await createBackup(large());
		expect(await ourTables()).toEqual([]);
	});
});

test('a staged backup that dies at any moment leaves nothing after the next one', async () => {
	await fill(100);
	await rememberStaged();
	const everything = async () => {
		const counters = await env.DB.prepare('SELECT * FROM sqlite_sequence').all();
		return `${await contents(env.DB)} ${JSON.stringify(counters.results)}`;
	};
	const before = await everything();
	const counting = dyingEngine(inSteps(), Number.POSITIVE_INFINITY);
	const whole = await contentsOf(await createBackup(counting.engine));
	expect(await everything()).toBe(before);
	const moments = fc.integer({ min: 1, max: counting.calls() });
	let left = 0;
	for (const [round, n] of fc.sample(moments, { numRuns: counted(100), seed: SEED }).entries()) {
		const dying = dyingEngine(inSteps(), n, { afterwards: round % 2 === 0 });
		void createBackup(dying.engine).catch(() => {});
		await dying.died;
		left += (await ourTables()).length;
		clock.now += TICKET_MS;
		const manifest = await createBackup(inSteps());
		expect(await everything(), `call ${n}, LIFEBOAT_SEED=${SEED}`).toBe(before);
		expect(await contentsOf(manifest)).toEqual(whole);
		expect(manifest.snapshot.consistency).toBe('staged');
		await emptyBucket();
		await rememberStaged();
	}
	expect(left).toBeGreaterThan(0);
});

/** Milliseconds that each call of a database takes in production. */
const LATENCY_MS = 30;
const WRITE_EVERY_MS = 50;
const ROWS = 7_000;

const wait = (milliseconds: number) =>
	new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

test('while somebody writes every 50 ms, a backup is the database at one moment', async () => {
	const rows = `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})`;
	await run(
		env.DB,
		...['first', 'last'].flatMap((table) => [
			`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, version INTEGER, x TEXT)`,
			`${rows} INSERT INTO ${table} SELECT i, 0, hex(randomblob(40)) FROM n`,
		]),
	);
	let version = 0;
	let isWriting = true;
	const writer = (async () => {
		for (; isWriting; await wait(WRITE_EVERY_MS)) {
			const id = 1 + ((++version * 997) % ROWS);
			const update = (table: string) => `UPDATE ${table} SET version = ${version} WHERE id = ${id}`;
			await run(env.DB, update('first'), update('last'));
		}
	})();
	const distant = disturbed(env.DB, () => wait(LATENCY_MS));
	const backup = createBackup(large({ database: distant, now: Date.now, sleep: async () => {} }));
	const { name, snapshot } = await backup;
	const end = version;
	isWriting = false;
	await writer;
	expect(snapshot).toMatchObject({ consistency: 'staged', attempts: 3 });
	await restoreIntoCopy((await (await env.MY_BUCKET.get(`${name}.sql`))?.text()) ?? '');
	const { results } = await env.COPY.prepare(
		`SELECT id, first.version AS first, last.version AS last FROM first JOIN last USING (id) WHERE first.version <> 0 OR last.version <> 0 ORDER BY first.version`,
	).all<{ id: number; first: number; last: number }>();
	const moment = results.at(-1)?.first ?? 0;
	const expected = Array.from({ length: moment }, (_, at) => {
		return { id: 1 + (((at + 1) * 997) % ROWS), first: at + 1, last: at + 1 };
	});
	expect(results).toEqual(expected);
	expect(moment).toBeGreaterThan(0);
	expect(moment).toBeLessThan(end);
});
