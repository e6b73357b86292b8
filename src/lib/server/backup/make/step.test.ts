import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { clock, createBackup, engine, keys, run } from '../../../../../tests/backups.ts';
import { key } from '../../../../../tests/encodings.ts';
import { dyingEngine, failingBucket } from '../../../../../tests/failing.ts';
import { lockedBucket } from '../../../../../tests/locked-bucket.ts';
import { UNLIMITED } from './budget.ts';
import { listBackups, resumeBackup, startBackup } from '../index.ts';
import { type Engine, type BackupStep } from '../engine.ts';
import { type Job, printJob, readJob } from './job.ts';
import { type Manifest } from '../format/manifest.ts';
import { manifestKey } from '../format/names.ts';
import { verifyBackup } from '../prove/prove.ts';
import { LEASE_MS, LOCK_KEYS } from '../storage/lock.ts';

beforeEach(reset);

const MINUTE = 60_000;

/** A budget of so few queries that every step reads one table. */
function inSteps(changes: Partial<Engine> = {}): Engine {
	return engine({ keys: [key], budget: { ...UNLIMITED, queries: 1 }, ...changes });
}

/** Three tables, which take a few steps. */
const fill = () =>
	run(
		env.DB,
		...['a', 'b', 'c'].map((name) => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, x)`),
		...['a', 'b', 'c'].map((name) => `INSERT INTO ${name} (x) VALUES ('row-of-somebody'), (2)`),
	);

const write = () => run(env.DB, `INSERT INTO a (x) VALUES ('another')`);

function ticketOf(step: BackupStep): string {
	if ('resume' in step) return step.resume;
	throw new Error('The backup is done.');
}

/** Runs the steps from a ticket on, or all of them. */
async function finish(ticket?: string, changes: Partial<Engine> = {}): Promise<Manifest> {
	let step = ticket ? { resume: ticket } : await startBackup(inSteps(changes));
	while ('resume' in step) step = await resumeBackup(inSteps(changes), step.resume);
	return step.manifest;
}

/** The tickets of a whole backup, in order. */
async function ticketsOf(changes: Partial<Engine> = {}): Promise<string[]> {
	const tickets: string[] = [];
	let step = await startBackup(inSteps(changes));
	while ('resume' in step) {
		tickets.push(step.resume);
		step = await resumeBackup(inSteps(changes), step.resume);
	}
	return tickets;
}

/** Starts a backup and runs all steps except the last, whose ticket it returns. */
async function beforeLast(changes: Partial<Engine> = {}): Promise<string> {
	const steps = (await ticketsOf(changes)).length;
	let step = await startBackup(inSteps(changes));
	for (let taken = 1; taken < steps; taken++) {
		step = await resumeBackup(inSteps(changes), ticketOf(step));
	}
	return ticketOf(step);
}

async function listed(): Promise<string[]> {
	return (await listBackups(engine())).backups.map(({ name }) => name);
}

async function requireSound(name: string): Promise<void> {
	const { proven, differences } = await verifyBackup(inSteps(), manifestKey(name));
	expect({ proven, differences }).toEqual({ proven: true, differences: [] });
}

/**
 * The bucket, except that writing a key with this ending waits for `goOn`; `reached` resolves just
 * before.
 */
function stalling(bucket: R2Bucket, ending: string) {
	const reached = Promise.withResolvers<null>();
	const released = Promise.withResolvers<null>();
	const stalled = new Proxy(bucket, {
		get(target, property) {
			const value: unknown = Reflect.get(target, property);
			if (typeof value !== 'function') return value;
			if (property !== 'put') return value.bind(target);
			return async (name: string, ...rest: unknown[]) => {
				if (name.endsWith(ending)) {
					reached.resolve(null);
					await released.promise;
				}
				return value.apply(target, [name, ...rest]);
			};
		},
	});
	return { bucket: stalled, reached: reached.promise, goOn: () => released.resolve(null) };
}

describe.for([
	['an open bucket', (bucket: R2Bucket) => bucket],
	['a bucket with a lock rule for backups', (bucket: R2Bucket) => lockedBucket(bucket)],
] as const)('in %s', ([, ruled]) => {
	test('a backup is made in one call and in steps, and listed', async () => {
		await fill();
		const bucket = ruled(env.MY_BUCKET);
		const whole = await createBackup(engine({ bucket, keys: [key] }));
		const stepped = await finish(undefined, { bucket });
		expect(await listed()).toEqual([stepped.name, whole.name]);
		for (const name of await listed()) await requireSound(name);
	});

	test('a dump in steps starts over if the database has changed', async () => {
		await fill();
		const bucket = ruled(env.MY_BUCKET);
		const ticket = await beforeLast({ bucket });
		await write();
		const { name, snapshot } = await finish(ticket, { bucket });
		expect(snapshot.attempts).toBe(2);
		await requireSound(name);
	});

	test('any R2 write may fail once, done or not', async () => {
		await fill();
		const bucket = ruled(env.MY_BUCKET);
		for (let n = 1; n <= 12; n++) {
			for (const afterwards of [false, true]) {
				const failing = failingBucket(bucket, n, { afterwards });
				await requireSound((await finish(undefined, { bucket: failing.bucket })).name);
			}
		}
	});

	test('a step that dies at any call can be repeated, or a new backup made', async () => {
		await fill();
		const bucket = ruled(env.MY_BUCKET);
		for (let n = 1; n <= 12; n++) {
			const ticket = ticketOf(await startBackup(inSteps({ bucket })));
			const dying = dyingEngine(inSteps({ bucket }), n, { afterwards: n % 2 === 0 });
			await Promise.race([dying.died, resumeBackup(dying.engine, ticket)]);
			clock.now += LEASE_MS;
			await requireSound((await finish(ticket, { bucket })).name);
		}
	});

	test('the leftovers of an abandoned backup block none, and are removed when the rule allows', async () => {
		await fill();
		const bucket = ruled(env.MY_BUCKET);
		for (let round = 0; round < 3; round++) {
			await beforeLast({ bucket });
			clock.now += 16 * MINUTE;
			await requireSound((await finish(undefined, { bucket })).name);
		}
		expect(await keys()).not.toContain(LOCK_KEYS.backup);
		const names = (await listed()).length;
		await finish(); // without the rule
		const stray = (await keys()).filter((one) => one.endsWith('.sql'));
		const backups = (await listBackups(engine())).backups;
		expect(backups).toHaveLength(names + 1);
		expect(stray.toSorted()).toEqual(backups.flatMap(({ files }) => files).toSorted());
	});
});

describe('a last step', () => {
	/** Kills the step right after it writes its manifest. */
	async function dieAfterManifest(ticket: string): Promise<void> {
		const { promise: died, resolve } = Promise.withResolvers<null>();
		const bucket = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (typeof value !== 'function') return value;
				if (property !== 'put') return value.bind(target);
				return async (name: string, ...rest: unknown[]) => {
					const stored: unknown = await value.apply(target, [name, ...rest]);
					if (!name.endsWith('.manifest.json')) return stored;
					resolve(null);
					return new Promise(() => {});
				};
			},
		});
		await Promise.race([died, resumeBackup(inSteps({ bucket }), ticket)]);
	}

	test('that is repeated after its Worker died keeps the backup', async () => {
		await fill();
		const ticket = await beforeLast();
		await dieAfterManifest(ticket);
		const before = await listed();
		await write();
		clock.now += LEASE_MS;
		const { name } = await finish(ticket);
		expect(before).toContain(name);
		expect(await listed()).toEqual(before);
		for (const one of before) await requireSound(one);
		expect(await keys()).not.toContain(LOCK_KEYS.backup);
	});

	test('repeats its answer even if another backup has started since', async () => {
		await fill();
		const ticket = await beforeLast();
		const manifest = await finish(ticket);
		await startBackup(inSteps());
		expect(await resumeBackup(inSteps(), ticket)).toEqual({ manifest });
	});

	test('that was stalled until another backup took over does not commit', async () => {
		await fill();
		const ticket = await beforeLast();
		const before = await listed();
		const stalled = stalling(env.MY_BUCKET, '.manifest.json');
		const outcome = resumeBackup(inSteps({ bucket: stalled.bucket }), ticket).then(
			() => 'committed',
			(error: unknown) => error,
		);
		await stalled.reached;
		clock.now += LEASE_MS + MINUTE;
		const { name } = await finish();
		stalled.goOn();
		expect(await outcome).toMatchObject({ code: 'lock_lost', status: 409 });
		expect(await listed()).toEqual([name, ...before]);
		for (const one of await listed()) await requireSound(one);
	});

	test('that was stalled while its backup was completed commits nothing more', async () => {
		await fill();
		const ticket = await beforeLast();
		const stalled = stalling(env.MY_BUCKET, '.manifest.json');
		const outcome = resumeBackup(inSteps({ bucket: stalled.bucket }), ticket);
		await stalled.reached;
		clock.now += LEASE_MS;
		const manifest = await finish(ticket);
		stalled.goOn();
		expect(await outcome).toEqual({ manifest });
		for (const one of await listed()) await requireSound(one);
	});
});

describe('between two steps', () => {
	test('the lock contains no row, not even in Base64', async () => {
		await fill();
		await startBackup(inSteps());
		const text = (await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '';
		const decoded = (text.match(/[\w-]{20,}/g) ?? []).map((part) =>
			Buffer.from(part, 'base64url').toString('latin1'),
		);
		expect([text, ...decoded].join('\n')).not.toMatch(/row-of-somebody|"checkpoint"|INSERT/);
		expect(JSON.parse(text)).toMatchObject({ waiting: true, state: expect.any(String) });
	});

	test('a job left by another version is refused, and the next backup is made', async () => {
		await fill();
		const ticket = ticketOf(await startBackup(inSteps()));
		const lock = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		const job = await readJob([key], lock.state, lock.name);
		const older: Job = { ...job, attempts: -1 };
		const state = await printJob(key, older);
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ ...lock, state }));
		await expect(resumeBackup(inSteps(), ticket)).rejects.toMatchObject({ code: 'ticket_invalid' });
		clock.now += 16 * MINUTE;
		await requireSound((await finish()).name);
	});

	test('a job under the name of another backup is refused', async () => {
		await fill();
		const old = ticketOf(await startBackup(inSteps()));
		const { state } = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		await env.MY_BUCKET.delete(await keys());
		const ticket = ticketOf(await startBackup(inSteps()));
		const lock = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ ...lock, state }));
		await expect(resumeBackup(inSteps(), ticket)).rejects.toMatchObject({ code: 'ticket_invalid' });
		await expect(resumeBackup(inSteps(), old)).rejects.toMatchObject({ code: 'ticket_spent' });
	});
});
