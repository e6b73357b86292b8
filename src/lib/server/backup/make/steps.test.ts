import { createHash } from 'node:crypto';
import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { clock, createBackup, engine, keys, run } from '../../../../../tests/backups.ts';
import { key, otherKey } from '../../../../../tests/encodings.ts';
import { counted, SEED } from '../../../../../tests/counts.ts';
import { databases } from '../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { apply } from '../../../../../tests/databases/sql.ts';
import { dyingEngine, failingBucket, failingDatabase } from '../../../../../tests/failing.ts';
import { UNLIMITED } from './budget.ts';
import { listBackups, resumeBackup, startBackup } from '../index.ts';
import { type Engine, type BackupStep } from '../engine.ts';
import { printJob, readJob, TICKET_MS } from './job.ts';
import { type Manifest } from '../format/manifest.ts';
import { manifestKey } from '../format/names.ts';
import { LEASE_MS, LOCK_KEYS } from '../storage/lock.ts';

beforeEach(reset);

/** So few queries that every step reads one page, behind the five of the catalog. */
const SMALL = { ...UNLIMITED, queries: 1 };

function inSteps(changes: Partial<Engine> = {}): Engine {
	return { ...engine(), keys: [key], budget: SMALL, ...changes };
}

/** A few tables: small ones, one of many pages, one with long rows, and counters. */
const fill = (texts = 2500) =>
	run(
		env.DB,
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`CREATE TABLE b (k TEXT PRIMARY KEY, a REFERENCES a (id)) WITHOUT ROWID`,
		`CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT, n INT)`,
		`CREATE TABLE long (x, y)`,
		`CREATE INDEX texts_n ON texts (n)`,
		`INSERT INTO a (x) VALUES (1), ('two'), (x'03')`,
		`INSERT INTO b VALUES ('k', 2)`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${texts}) INSERT INTO texts SELECT i, printf('%.*c it''s', 600, 'é'), i % 7 FROM n`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) INSERT INTO long SELECT i, zeroblob(100000 + i) FROM n`,
	);

async function sqlOf({ volumes }: Manifest): Promise<string> {
	const objects = await Promise.all(volumes.map(({ key }) => env.MY_BUCKET.get(key)));
	const texts = await Promise.all(objects.map((object) => object?.text()));
	return texts.join('');
}

/** Digest of a backup's SQL but its first line, which tells when it was made. */
async function digestOf({ volumes }: Manifest): Promise<string> {
	const hash = createHash('sha256');
	let isFirst = true;
	for (const { key: volume } of volumes) {
		for await (const chunk of (await env.MY_BUCKET.get(volume))?.body ?? []) {
			hash.update(isFirst ? chunk.subarray(chunk.indexOf(10)) : chunk);
			isFirst = false;
		}
	}
	return hash.digest('hex');
}

/** Two such backups are the same but for their names and costs. */
const contentsOf = async (manifest: Manifest) => ({
	schema: manifest.schema,
	tables: manifest.tables,
	warnings: manifest.warnings,
	sql: await digestOf(manifest),
});

/** Begins a backup and takes so many steps more. */
async function begin(more: number, changes: Partial<Engine> = {}): Promise<string> {
	let step = await startBackup(inSteps(changes));
	for (let taken = 0; taken < more; taken++) {
		step = await resumeBackup(inSteps(changes), ticketOf(step));
	}
	return ticketOf(step);
}

function ticketOf(step: BackupStep): string {
	if ('resume' in step) return step.resume;
	throw new Error('The backup is done.');
}

/** Takes all steps that there are. */
async function finish(ticket: string, changes: Partial<Engine> = {}): Promise<Manifest> {
	let step = await resumeBackup(inSteps(changes), ticket);
	while ('resume' in step) step = await resumeBackup(inSteps(changes), step.resume);
	return step.manifest;
}

describe('a backup in steps', () => {
	test('is the same file, cut between statements, with the same digests', async () => {
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
	test('is the same of any database and with any budget', generated.test, async () => {
		const budgets = fc.record({
			queries: fc.integer({ min: 1, max: 60 }),
			bytes: fc.integer({ min: 1, max: 300_000 }),
			milliseconds: fc.integer({ min: 1, max: 200 }),
		});
		await fc.assert(
			fc.asyncProperty(databases(), budgets, async ({ statements }, budget) => {
				await reset();
				await apply(env.DB, statements);
				const whole = await contentsOf(await createBackup(engine()));
				expect(await contentsOf(await createBackup(inSteps({ budget })))).toEqual(whole);
			}),
			generated.check,
		);
	});

	test('reads each row once, and tells how far it is', async () => {
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
		// Each step reads the schema anew: some 60 rows of its tables.
		expect(rowsRead - whole).toBeLessThan(100 * seen.length);
	});

	test('keeps within the free plan', async () => {
		await fill();
		const budget = { queries: 30, milliseconds: 20_000, bytes: 500_000 };
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

	test('of a database that changes between two steps begins anew, and is one state', async () => {
		await fill();
		const ticket = await begin(6);
		await run(env.DB, `UPDATE texts SET n = 100 WHERE id IN (1, 2500)`);
		const manifest = await finish(ticket);
		expect(manifest.snapshot.attempts).toBe(2);
		// A number is never used twice: a lock rule may keep the volumes of before.
		const [first] = manifest.volumes.map((volume) => volume.key);
		expect(first).toBe(`${manifest.name}.8.sql`);
		const sql = await sqlOf(manifest);
		expect(sql.match(/,100\)/g)).toHaveLength(2);
		expect((await keys()).filter((one) => one.endsWith('.sql'))).toHaveLength(
			manifest.volumes.length,
		);
	});

	test('notices a table that was dropped and made anew, just the same', async () => {
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

	test('is given up when the schema never rests, and leaves nothing', async () => {
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
		// In workerd every reading has another bookmark.
		expect((await finish(ticket)).snapshot.attempts).toBe(2);
	});
});

describe('a ticket', () => {
	const refused = async (ticket: string, code: string, status: number) =>
		expect(resumeBackup(inSteps(), ticket)).rejects.toMatchObject({ code, status });

	test('is refused when it is forged or altered, and the job is unharmed', async () => {
		await fill();
		const ticket = await begin(1);
		const [header = '', payload = '', mac = ''] = ticket.split('.');
		const claims = JSON.parse(atob(payload)) as { name: string; step: number; exp: number };
		const encode = (value: object) => btoa(JSON.stringify(value)).replaceAll('=', '');
		const sign = (secret: Uint8Array, audience = 'lifeboat resume ticket') =>
			new SignJWT({ name: claims.name, step: claims.step })
				.setProtectedHeader({ alg: 'HS256' })
				.setAudience(audience)
				.setExpirationTime(claims.exp)
				.sign(secret);
		const unending = new SignJWT({ name: claims.name, step: claims.step })
			.setProtectedHeader({ alg: 'HS256' })
			.setAudience('lifeboat resume ticket');
		const forged = [
			'',
			'x',
			`${header}.${payload}.`,
			`${header}.${encode({ ...claims, step: claims.step + 1 })}.${mac}`,
			`${encode({ alg: 'none' })}.${payload}.`,
			`${encode({ alg: 'none' })}.${payload}.${mac}`,
			await sign(otherKey.ticket),
			await sign(key.mac),
			await sign(key.ticket, 'lifeboat backup job'),
			await unending.sign(key.ticket),
			`${ticket.slice(0, -3)}AAA`,
		];
		for (const text of forged) await refused(text, 'ticket_invalid', 403);
		// What lies in the bucket is no ticket either.
		const { state } = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		await refused(state as string, 'ticket_invalid', 403);
		expect(await finish(ticket)).toBeTruthy();
	});

	test('expires', async () => {
		await fill();
		const ticket = await begin(1);
		clock.now += TICKET_MS + 1_000;
		await refused(ticket, 'ticket_expired', 403);
		const { name } = await createBackup(engine());
		expect((await keys()).every((key) => key.startsWith(name))).toBe(true);
	});

	test('is for its own job only', async () => {
		await fill();
		const old = await begin(1);
		clock.now += TICKET_MS / 2;
		await env.MY_BUCKET.delete(LOCK_KEYS.backup);
		const ticket = await begin(1);
		await refused(old, 'ticket_spent', 409);
		expect(await finish(ticket)).toBeTruthy();
	});

	test('is for one step: older ones are spent', async () => {
		await fill();
		const first = await begin(0);
		const second = ticketOf(await resumeBackup(inSteps(), first));
		const third = ticketOf(await resumeBackup(inSteps(), second));
		await refused(first, 'ticket_spent', 409);
		expect(await finish(third)).toBeTruthy();
	});

	test('used twice at once lets one in, and the other hears that it runs', async () => {
		await fill();
		const whole = await contentsOf(await createBackup(engine()));
		let tickets = [await begin(0)];
		for (let round = 0; round < 5; round++) {
			const outcomes = await Promise.allSettled(
				Array.from({ length: 4 }, () => resumeBackup(inSteps(), tickets[0] ?? '')),
			);
			const good = outcomes.filter((outcome) => outcome.status === 'fulfilled');
			const bad = outcomes.filter((outcome) => outcome.status === 'rejected');
			expect(good).toHaveLength(1);
			for (const { reason } of bad) expect(reason).toMatchObject({ code: 'backup_running' });
			tickets = good.map(({ value }) => ticketOf(value));
		}
		expect(await contentsOf(await finish(tickets[0] ?? ''))).toEqual(whole);
	});

	test('gets the same answer once more, in case that the first was lost', async () => {
		await fill();
		const ticket = await begin(1);
		const answer = await resumeBackup(inSteps(), ticket);
		expect(await resumeBackup(inSteps(), ticket)).toMatchObject({
			progress: 'progress' in answer && answer.progress,
		});
		let last = ticketOf(answer);
		let step = await resumeBackup(inSteps(), last);
		while ('resume' in step) {
			last = step.resume;
			step = await resumeBackup(inSteps(), last);
		}
		expect(await resumeBackup(inSteps(), last)).toEqual(step);
		await env.MY_BUCKET.delete(manifestKey(step.manifest.name));
		await refused(last, 'ticket_spent', 409);
	});

	test('does not open a job that somebody else has written into the bucket', async () => {
		await fill();
		const ticket = await begin(1);
		const lock = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		const job = await readJob([key], lock.state as string, lock.name as string);
		const other = await printJob(otherKey, job);
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ ...lock, state: other }));
		await refused(ticket, 'ticket_invalid', 403);
	});
});

describe('a step that fails', () => {
	test('at any call of D1 or R2 leaves the job as it was: the same ticket goes on', async () => {
		await fill(600);
		const whole = await contentsOf(await createBackup(engine()));
		let failed = 0;
		for (let n = 1; n < 12; n++) {
			const ticket = await begin(n % 5);
			for (const broken of [
				failingDatabase(env.DB, n, 'Network connection lost', { forGood: true }),
				failingBucket(env.MY_BUCKET, n),
				failingBucket(env.MY_BUCKET, n, { afterwards: true }),
			]) {
				const { failures, ...binding } = broken;
				const outcome = resumeBackup(inSteps(binding), ticket);
				await outcome.catch((error: unknown) => expect(error).toMatchObject({ retryable: true }));
				failed += failures.failed;
			}
			const manifest = await finish(ticket).catch(() => null);
			// An attempt may have gone through by itself; then the ticket is not the newest.
			if (manifest === null) await env.MY_BUCKET.delete(await keys());
			else expect(await contentsOf(manifest)).toEqual(whole);
		}
		expect(failed).toBeGreaterThan(10);
	});

	test('dead at any moment, is taken once more, by the same ticket', async () => {
		await fill(600);
		const whole = await contentsOf(await createBackup(engine()));
		for (const afterwards of [false, true]) {
			for (let n = 1; n <= 12; n++) {
				const ticket = await begin(n % 7);
				const dying = dyingEngine(inSteps(), n, { afterwards });
				await Promise.race([dying.died, resumeBackup(dying.engine, ticket)]);
				clock.now += LEASE_MS;
				const manifest = await finish(ticket);
				expect(await contentsOf(manifest)).toEqual(whole);
				const files = (await keys()).filter((key) => key.startsWith(manifest.name));
				expect(files.toSorted()).toEqual(
					[...manifest.volumes.map(({ key }) => key), manifestKey(manifest.name)].toSorted(),
				);
				await env.MY_BUCKET.delete(await keys());
			}
		}
	});

	test('dead at a random moment: the next backup succeeds, and nothing of it is left', async () => {
		await fill(600);
		const counting = dyingEngine(inSteps(), Number.POSITIVE_INFINITY);
		await createBackup(counting.engine);
		await env.MY_BUCKET.delete(await keys());
		const moments = fc.integer({ min: 1, max: counting.calls() });
		const random = fc.sample(moments, { numRuns: counted(80), seed: SEED });
		for (const [round, n] of random.entries()) {
			const dying = dyingEngine(inSteps(), n, { afterwards: round % 2 === 0 });
			void createBackup(dying.engine).catch(() => {});
			await dying.died;
			const dead = (await listBackups(env.MY_BUCKET)).backups;
			clock.now += TICKET_MS;
			const { name } = await createBackup(inSteps());
			const listed = (await listBackups(env.MY_BUCKET)).backups.map((backup) => backup.name);
			// It may have died with its manifest written, which makes it a backup.
			expect(listed, `call ${n}, LIFEBOAT_SEED=${SEED}`).toEqual([
				name,
				...dead.map((backup) => backup.name),
			]);
			const names = new Set((await keys()).map((key) => key.slice(0, name.length)));
			expect([...names].toSorted(), `call ${n}`).toEqual(listed.toSorted());
			await env.MY_BUCKET.delete(await keys());
		}
	});
});
