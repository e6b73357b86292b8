import { env } from 'cloudflare:workers';
import type { D1Database, D1PreparedStatement } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { clock, createBackup, engine, keys, run } from '../../../../../tests/backups.ts';
import { key } from '../../../../../tests/encodings.ts';
import { reset } from '../../../../../tests/reset.ts';
import { disturbed, LARGE, rememberStaged } from '../../../../../tests/staged.ts';
import { begin, contentsOf, fill, finish, inSteps } from '../../../../../tests/stepped-backups.ts';
import { resumeBackup, startBackup } from '../index.ts';
import { UNLIMITED } from './budget.ts';
import { TICKET_MS } from './job.ts';

const MINUTE = 60_000;

beforeEach(reset);

/** The database, with its calls and the bytes of text in their answers, and the statements that it was sent. */
function counted() {
	const read = { bytes: 0, calls: 0 };
	const sent: string[] = [];
	const database = new Proxy(env.DB, {
		get: (target) => () => {
			const session = target.withSession('first-primary');
			return {
				prepare: (sql: string) => {
					sent.push(sql);
					return session.prepare(sql);
				},
				getBookmark: () => session.getBookmark(),
				batch: async (all: D1PreparedStatement[]) => {
					read.calls++;
					const results = await session.batch<Record<string, unknown>>(all);
					const values = results.flatMap((one) => one.results.flatMap(Object.values));
					const texts = values.filter((value) => typeof value === 'string');
					read.bytes += new TextEncoder().encode(texts.join('')).length;
					return results;
				},
			};
		},
	});
	return { database: database as D1Database, read, sent };
}

describe('bytes', () => {
	test('that are read stay within the budget, the page that is read ahead included', async () => {
		await fill(12_000); // 14.6 MB of SQL, in characters of one and two bytes
		const { database, read } = counted();
		const budget = { ...UNLIMITED, bytes: 5_000_000 };
		const changes = { database, budget };
		const steps: number[] = [];
		let step = await startBackup(inSteps(changes));
		for (; 'resume' in step; step = await resumeBackup(inSteps(changes), step.resume)) {
			steps.push(read.bytes);
			read.bytes = 0;
		}
		for (const bytes of steps) {
			expect(bytes).toBeLessThanOrEqual(budget.bytes);
			expect(bytes).toBeGreaterThan(budget.bytes / 2);
		}
		expect(steps.length).toBeGreaterThan(2);
		expect(await contentsOf(step.manifest)).toEqual(await contentsOf(await createBackup(engine())));
	});

	test('are at least those of a page', async () => {
		await fill();
		const budget = { ...UNLIMITED, bytes: 1 };
		const { volumes } = await createBackup(inSteps({ budget }));
		expect(volumes.length).toBeGreaterThan(5);
	});
});

test('the calls of D1 stay within the budget, the one at the end included', async () => {
	const tables = Array.from({ length: 40 }, (_, n) => `t${n}`);
	await run(
		env.DB,
		...tables.map((name) => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, x)`),
		...tables.map((name) => `INSERT INTO ${name} VALUES (1, 2)`),
	);
	const { database, read } = counted();
	const changes = { database, budget: { ...UNLIMITED, queries: 30, calls: 15 } };
	let steps = 1;
	for (let step = await startBackup(inSteps(changes)); 'resume' in step; steps++) {
		expect(read.calls).toBeLessThanOrEqual(15);
		read.calls = 0;
		step = await resumeBackup(inSteps(changes), step.resume);
	}
	expect(read.calls).toBeLessThanOrEqual(15);
	expect(steps).toBeGreaterThan(3);
	expect(steps).toBeLessThan(7);
});

describe('a stage that takes more statements than one call has', () => {
	const budget = { ...UNLIMITED, stage: 15 };

	test('is done without, if nobody writes, even after a backup that was staged', async () => {
		await fill();
		await rememberStaged();
		const { snapshot } = await createBackup(inSteps({ budget }));
		expect(snapshot).toMatchObject({ consistency: 'fenced', attempts: 1 });
	});

	test('fails in a database in use, with a hint at the paid plan', async () => {
		await fill();
		const writing = disturbed(env.DB, async (call) => {
			if (call % 3 === 0) await run(env.DB, `UPDATE a SET x = ${call}`);
		});
		const failure = createBackup(inSteps({ budget, database: writing }));
		await expect(failure).rejects.toMatchObject({
			code: 'snapshot_unstable',
			message: expect.stringMatching(/^To stage the database takes \d+ statements/),
			hint: expect.stringContaining('set BACKUP_PLAN to paid'),
		});
		expect(await keys()).toEqual([]);
	});
});

describe('the pause between two steps', () => {
	const slow = { budget: { ...UNLIMITED, queries: 1, pause: 12 * MINUTE } };

	test('is in the answer, and in none of a plan without one', async () => {
		await fill();
		expect(await startBackup(inSteps(slow))).toMatchObject({ retryAfter: 720 });
		clock.now += 60 * MINUTE;
		expect(await startBackup(inSteps())).not.toHaveProperty('retryAfter');
	});

	test('comes on top of the time for which a ticket is valid', async () => {
		await fill();
		const ticket = await begin(1, slow);
		clock.now += slow.budget.pause + TICKET_MS - MINUTE;
		expect(await finish(ticket, slow)).toBeTruthy();
		const other = await begin(1, slow);
		clock.now += slow.budget.pause + TICKET_MS;
		await expect(resumeBackup(inSteps(slow), other)).rejects.toMatchObject({
			code: 'ticket_expired',
		});
	});
});

describe('rows', () => {
	/** The rows that a backup in steps reads. */
	async function rowsOf(): Promise<number> {
		return (await createBackup(inSteps())).cost.rowsRead;
	}
	const most = (rowsRead: number) => inSteps({ budget: { ...UNLIMITED, queries: 1, rowsRead } });
	const refused = { code: 'too_many_rows', status: 409, retryable: false };

	test('may be as many as the whole backup reads, but not fewer', async () => {
		await fill();
		const rows = await rowsOf();
		expect((await createBackup(most(rows))).cost.rowsRead).toBe(rows);
		const before = await keys();
		await expect(createBackup(most(rows - 1))).rejects.toMatchObject(refused);
		expect(await keys()).toEqual(before);
	});

	test('of all attempts count', async () => {
		await fill();
		const rows = await rowsOf();
		const budget = { ...UNLIMITED, queries: 1, rowsRead: 1.5 * rows };
		const writing = async () => {
			for (let step = await startBackup(inSteps({ budget })); 'resume' in step;) {
				if (step.progress.rows > 2000) await run(env.DB, 'UPDATE a SET x = x');
				step = await resumeBackup(inSteps({ budget }), step.resume);
			}
		};
		await expect(writing()).rejects.toMatchObject(refused);
	});

	test('that a stage would read are refused before it is made', async () => {
		await fill();
		await rememberStaged();
		const { cost, snapshot } = await createBackup(engine({ budget: LARGE, keys: [key] }));
		expect(snapshot.consistency).toBe('staged');
		const { database, sent } = counted();
		const budget = { ...LARGE, rowsRead: cost.rowsRead / 2 };
		const changes = { database, budget, keys: [key] };
		await expect(createBackup(engine(changes))).rejects.toMatchObject(refused);
		expect(sent.join()).not.toContain('INSERT INTO lifeboat_stage');
		expect(sent.join()).toContain('OVER w'); // it was planned
	});
});
