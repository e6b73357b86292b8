import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { begin, contentsOf, fill, finish, inSteps } from '../stepped-backups.ts';
import { reset } from '../reset.ts';
import { clock, createBackup, engine, keys, run } from '../backups.ts';
import { databases } from '../databases/generate.ts';
import { settings } from '../databases/settings.ts';
import { apply } from '../databases/sql.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { resumeBackup, startBackup } from '../../src/lib/server/backup/index.ts';
import { type Manifest } from '../../src/lib/server/backup/format/manifest.ts';
import { LOCK_KEYS } from '../../src/lib/server/backup/storage/lock.ts';

beforeEach(reset);

async function sqlOf({ volumes }: Manifest): Promise<string> {
	const objects = await Promise.all(volumes.map(({ key }) => env.MY_BUCKET.get(key)));
	const texts = await Promise.all(objects.map((object) => object?.text()));
	return texts.join('');
}

describe('a backup in steps', () => {
	test('is the same file, split between statements, with the same digests', async () => {
		await fill();
		const whole = await createBackup(engine());
		const stepped = await createBackup(inSteps());
		expect(whole.volumes).toHaveLength(1);
		expect(stepped.volumes.length).toBeGreaterThan(10);
		expect(await contentsOf(stepped)).toEqual(await contentsOf(whole));
		const last = await env.MY_BUCKET.get(stepped.volumes[1]?.key ?? '');
		expect(await last?.text()).toMatch(/^(INSERT|CREATE|DELETE)[\s\S]*;\n$/);
		expect(await keys()).not.toContain(LOCK_KEYS.backup);
	});

	const generated = settings(100);
	test('is the same for any database and any budget', generated.test, async () => {
		const budgets = fc.record({
			queries: fc.integer({ min: 1, max: 60 }),
			bytes: fc.integer({ min: 1, max: 2_300_000 }), // a page of up to 2 MB is reserved
			milliseconds: fc.integer({ min: 1, max: 200 }),
		});
		await fc.assert(
			fc.asyncProperty(databases(), budgets, async ({ statements }, limits) => {
				const budget = { ...UNLIMITED, ...limits };
				await reset();
				await apply(env.DB, statements);
				const whole = await contentsOf(await createBackup(engine()));
				expect(await contentsOf(await createBackup(inSteps({ budget })))).toEqual(whole);
			}),
			generated.check,
		);
	});

	test('reads each row once, and reports its progress', async () => {
		await fill();
		const seen: number[] = [];
		let step = await startBackup(inSteps({ budget: { ...UNLIMITED, bytes: 1_000_000 } }));
		while ('resume' in step) {
			expect(step.progress.step).toBe(seen.length + 1);
			seen.push(step.progress.rows);
			step = await resumeBackup(inSteps(), step.resume);
		}
		expect(seen).toEqual(seen.toSorted((a, b) => a - b));
		const { rowsRead } = step.manifest.cost;
		const whole = (await createBackup(engine())).cost.rowsRead;
		// Each step reads the schema again: some 60 rows of its tables.
		expect(rowsRead - whole).toBeLessThan(100 * seen.length);
	});

	test('keeps within the free plan', async () => {
		await fill();
		const budget = { ...UNLIMITED, queries: 30, milliseconds: 20_000, bytes: 500_000 };
		let statements = 0;
		const counted = new Proxy(env.DB, {
			get: (target) => () => {
				const session = target.withSession('first-primary');
				return {
					prepare: (sql: string) => session.prepare(sql),
					getBookmark: () => session.getBookmark(),
					batch: (all: D1PreparedStatement[]) => {
						statements += all.length;
						return session.batch(all);
					},
				};
			},
		});
		let step = await startBackup(inSteps({ budget, database: counted as never }));
		let steps = 1;
		while ('resume' in step) {
			expect(statements).toBeLessThanOrEqual(50);
			statements = 0;
			step = await resumeBackup(inSteps({ budget, database: counted as never }), step.resume);
			steps++;
		}
		expect(steps).toBeGreaterThan(2);
	});

	test('starts over when the database changes between two steps, and holds a single state', async () => {
		await fill();
		const ticket = await begin(6);
		await run(env.DB, `UPDATE texts SET n = 100 WHERE id IN (1, 2500)`);
		const manifest = await finish(ticket);
		expect(manifest.snapshot.attempts).toBe(2);
		// Volume numbers are never reused: a lock rule may protect the earlier volumes. Step 8 only noticed.
		const [first] = manifest.volumes.map((volume) => volume.key);
		expect(first).toBe(`${manifest.name}.9.sql`);
		const sql = await sqlOf(manifest);
		expect(sql.match(/,100\)/g)).toHaveLength(2);
		expect((await keys()).filter((one) => one.endsWith('.sql'))).toHaveLength(
			manifest.volumes.length,
		);
	});

	test('notices a table that was dropped and recreated with the same definition', async () => {
		await fill();
		const ticket = await begin(4);
		const { results } = await env.DB.prepare(
			`SELECT sql FROM sqlite_schema WHERE tbl_name = 'texts' ORDER BY type DESC`,
		).all<{ sql: string }>();
		await run(env.DB, 'DROP TABLE texts', ...results.map(({ sql }) => sql));
		const { snapshot, tables } = await finish(ticket);
		expect(snapshot.attempts).toBe(2);
		expect(tables.find(({ name }) => name === 'texts')?.rows).toBe(0);
	});

	test('is abandoned when the schema keeps changing, and leaves nothing behind', async () => {
		await fill();
		let step = await startBackup(inSteps());
		const change = async () => {
			for (let column = 0; 'resume' in step; column++) {
				await run(env.DB, `ALTER TABLE texts ADD COLUMN c${column}`);
				step = await resumeBackup(inSteps(), step.resume);
			}
		};
		await expect(change()).rejects.toMatchObject({ code: 'snapshot_unstable' });
		expect(await keys()).toEqual([]);
	});

	test('trusts the counter of changes for a minute, and then the bookmark too', async () => {
		await fill();
		const ticket = await begin(3);
		clock.now += 61_000;
		// In workerd the bookmark differs with every read.
		expect((await finish(ticket)).snapshot.attempts).toBe(2);
	});
});
