import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { expectError, SECRET } from '../../tests/calls.ts';
import { received, receivedAlerts, receiver } from '../../tests/receivers.ts';
import { reset } from '../../tests/reset.ts';
import type { BackupSummary } from './server/backup/format/manifest.ts';
import { lifeboat, type LifeboatOptions } from './index.ts';
import { TOTP } from './totp.js';

// All databases of an app in one call, and that none of them touches another.

const ORIGIN = 'https://other.example';
const OPTIONS: LifeboatOptions = {
	databases: { shop: 'APP_DB', stats: 'STATS', logs: 'LOGS' },
	bucket: 'BACKUPS',
	hosts: [ORIGIN],
};

/** What the app has, for a test to change. */
let bindings: Record<string, unknown>;

beforeEach(async () => {
	await reset();
	bindings = {
		...{ TOTP_SECRET: SECRET, BACKUP_PLAN: 'paid', BACKUPS: env.MY_BUCKET },
		...{ APP_DB: env.DB, STATS: env.COPY, LOGS: env.DRILL_DB },
	};
	await env.DB.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, what)');
	await env.COPY.exec('CREATE TABLE visits (id INTEGER PRIMARY KEY)');
	await env.DRILL_DB.exec('CREATE TABLE lines (id INTEGER PRIMARY KEY)');
});

interface Call {
	method?: string;
	body?: object;
	accept?: string;
	options?: LifeboatOptions;
}

/** What the hook answers, with a fresh code. */
async function ask(path: string, { body, accept, options = OPTIONS, ...call }: Call = {}) {
	const headers = new Headers(body ? { 'Content-Type': 'application/json' } : {});
	if (accept) headers.set('Accept', accept);
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	headers.set('Authorization', `Bearer ${code}`);
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
	const url = new URL(`/api/backup${path}`, ORIGIN);
	const request = new Request(url, { ...call, headers, body: body ? JSON.stringify(body) : null });
	const event = { request, url, platform: { env: bindings }, getClientAddress: () => '192.0.2.1' };
	return lifeboat(options).handle({ event, resolve: () => new Response("the app's own") });
}

interface Ended {
	database: string;
	due?: boolean;
	backup?: BackupSummary;
	code?: string;
}

interface Answer {
	success?: boolean;
	resume?: string;
	retryAfter?: number;
	step?: number;
	databases: { done: number; failed: number; total: number };
	done: Ended[];
	code?: string;
	error?: string;
}

async function post(query: string, body?: object): Promise<{ status: number; answer: Answer }> {
	const response = await ask(query, { method: 'POST', ...(body && { body }) });
	return { status: response.status, answer: await response.json() };
}

const begin = (when: 'always' | 'due' = 'always') =>
	post('?database=*', { action: 'backup', when });
const resume = (ticket: string | undefined) =>
	post('?database=*', { action: 'resume', ticket: ticket ?? '' });

/** Takes all steps of a run, and returns the last answer and everything that was done. */
async function run(first = begin()): Promise<{ status: number; done: Ended[]; answer: Answer }> {
	let { status, answer } = await first;
	const done = [...answer.done];
	while (answer.resume !== undefined) {
		({ status, answer } = await resume(answer.resume));
		done.push(...answer.done);
	}
	return { status, done, answer };
}

async function namesIn(database: string): Promise<string[]> {
	const answer: { backups: { name: string }[] } = await (await ask(`?database=${database}`)).json();
	return answer.backups.map(({ name }) => name);
}

const counts = async () =>
	Promise.all(['shop', 'stats', 'logs'].map(async (name) => (await namesIn(name)).length));

/** A database that answers nothing. */
const broken = { withSession: () => ({ prepare: () => ({}), batch: () => refuse() }) };
const refuse = () => Promise.reject(new Error('D1_ERROR: not authorized: SQLITE_AUTH'));

/** Rows for three steps on the free plan. */
async function fillStats(): Promise<void> {
	const row = env.COPY.prepare('INSERT INTO visits (x) VALUES (zeroblob(1900000))');
	await env.COPY.exec('ALTER TABLE visits ADD COLUMN x');
	await env.COPY.batch(Array.from({ length: 10 }, () => row));
}

describe('a run over all databases', () => {
	test('backs up each of them and reports it', async () => {
		const { status, answer } = await begin();
		expect([status, answer]).toEqual([
			201,
			{
				success: true,
				databases: { done: 3, failed: 0, total: 3 },
				done: ['shop', 'stats', 'logs'].map((database) => ({
					database,
					backup: expect.objectContaining({ tables: 1 }),
				})),
			},
		]);
		expect(await counts()).toEqual([1, 1, 1]);
		expect(await (await ask('')).json()).toMatchObject({
			database: 'shop',
			databases: ['shop', 'stats', 'logs'],
		});
	});

	test('of a single database is its backup', async () => {
		const options = { ...OPTIONS, databases: { main: 'APP_DB' } };
		const response = await ask('?database=*', { method: 'POST', options });
		expect([response.status, await response.json()]).toMatchObject([
			201,
			{ backup: { tables: 1 } },
		]);
	});

	test('goes on in the next call once the share of one is used', async () => {
		bindings['BACKUP_PLAN'] = 'free';
		const first = await begin();
		expect([first.status, first.answer]).toMatchObject([
			202,
			{ retryAfter: 720, step: 1, databases: { done: 1, failed: 0, total: 3 } },
		]);
		const { status, done } = await run(Promise.resolve(first));
		expect([status, done.map(({ database }) => database)]).toEqual([
			201,
			['shop', 'stats', 'logs'],
		]);
		expect(await counts()).toEqual([1, 1, 1]);
	});

	test('fails at its end if one fails, and makes the others', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		bindings['STATS'] = broken;
		const { status, answer, done } = await run();
		expect([status, answer]).toMatchObject([
			500,
			{ code: 'databases_failed', databases: { done: 2, failed: 1, total: 3 } },
		]);
		expect(answer.error).toContain('1 of 3 databases failed: stats.');
		expect(done.find(({ database }) => database === 'stats')).toMatchObject({
			code: 'database_error',
		});
		expect(await counts()).toEqual([1, 0, 1]);
		vi.restoreAllMocks();
	});

	test('tries one that may come back once more at its end', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		await env.MY_BUCKET.put(
			'stats/lifeboat.lock',
			JSON.stringify({ name: 'other', until: Date.now() + 60_000 }),
		);
		const first = await begin();
		expect([first.status, first.answer.done.map(({ database }) => database)]).toEqual([
			202,
			['shop', 'logs'],
		]);
		expect(first.answer.databases).toEqual({ done: 2, failed: 0, total: 3 });
		const held = await resume(first.answer.resume);
		expect([held.status, held.answer]).toMatchObject([202, { retryAfter: 15, done: [] }]);
		await env.MY_BUCKET.delete('stats/lifeboat.lock');
		const last = await resume(held.answer.resume);
		expect([last.status, last.answer.databases]).toEqual([201, { done: 3, failed: 0, total: 3 }]);
		expect(await counts()).toEqual([1, 1, 1]);
		vi.restoreAllMocks();
	});

	test('gives one up that never comes back', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		await env.MY_BUCKET.put(
			'stats/lifeboat.lock',
			JSON.stringify({ name: 'other', until: Date.now() + 60_000 }),
		);
		const { status, answer, done } = await run();
		expect([status, answer.databases]).toEqual([500, { done: 2, failed: 1, total: 3 }]);
		expect(done.at(-1)).toMatchObject({ database: 'stats', code: 'backup_running' });
		vi.restoreAllMocks();
	});

	test('does nothing twice if a ticket is used again', async () => {
		bindings['BACKUP_PLAN'] = 'free';
		await fillStats();
		const tickets: string[] = [];
		let { status, answer } = await begin();
		while (answer.resume !== undefined) {
			tickets.push(answer.resume);
			({ status, answer } = await resume(answer.resume));
		}
		expect([status, await counts()]).toEqual([201, [1, 1, 1]]);
		expect(tickets.length).toBeGreaterThan(3);
		for (const ticket of tickets) {
			const { status, answer } = await run(resume(ticket));
			expect([status, answer.databases]).toEqual([201, { done: 3, failed: 0, total: 3 }]);
		}
		expect(await counts()).toEqual([1, 1, 1]);
	});

	test('is not disturbed by two calls with the same ticket at once', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		bindings['BACKUP_PLAN'] = 'free';
		const { answer } = await begin();
		const both = await Promise.all([run(resume(answer.resume)), run(resume(answer.resume))]);
		expect(both.map(({ status }) => status)).toEqual([201, 201]);
		expect(await counts()).toEqual([1, 1, 1]);
		vi.restoreAllMocks();
	});

	test('skips those for which no backup is due', async () => {
		await post('?database=stats');
		const { status, answer } = await begin('due');
		expect(status).toBe(201);
		expect(answer.done.map(({ database, due }) => [database, due])).toEqual([
			['shop', undefined],
			['stats', false],
			['logs', undefined],
		]);
		expect(await counts()).toEqual([1, 1, 1]);
	});

	test('refuses tickets of another kind, of another app and of other databases', async () => {
		bindings['BACKUP_PLAN'] = 'free';
		await fillStats();
		const { answer } = await begin();
		await run(resume(answer.resume));
		const one = await post('?database=stats');
		expect(one.status).toBe(202);
		const all = await begin();
		const refused = async (query: string, ticket: string | undefined, options = OPTIONS) =>
			(await (
				await ask(query, { method: 'POST', body: { action: 'resume', ticket }, options })
			).json()) as Answer;
		expect(await refused('?database=*', one.answer.resume)).toMatchObject({
			code: 'ticket_invalid',
		});
		expect(await refused('?database=stats', all.answer.resume)).toMatchObject({
			code: 'ticket_invalid',
		});
		expect(await refused('?database=logs', one.answer.resume)).toMatchObject({
			code: 'ticket_invalid',
		});
		const fewer = { ...OPTIONS, databases: { shop: 'APP_DB', logs: 'LOGS' } };
		expect(await refused('?database=*', all.answer.resume, fewer)).toMatchObject({
			code: 'run_changed',
		});
	});

	test('is for making backups alone', async () => {
		await expectError(await ask('?database=*'), 404, 'database_unknown');
		await expectError(await ask('/health?database=*'), 404, 'database_unknown');
	});

	test('names the database in each line of progress', async () => {
		const response = await ask('?database=*', { method: 'POST', accept: 'application/x-ndjson' });
		const lines = (await response.text()).trim().split('\n');
		const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
		expect(events.at(-1)).toMatchObject({ event: 'done', success: true, done: { length: 3 } });
		expect(events.slice(0, -1).every(({ database }) => typeof database === 'string')).toBe(true);
		const ended = events.filter(({ event }) => event === 'database');
		expect(ended.map(({ database }) => database)).toEqual(['shop', 'stats', 'logs']);
	});
});

describe('what operators learn of a run', () => {
	test('is an entry of the audit log for each database, and one for each call', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		bindings['STATS'] = broken;
		await run();
		const { entries } = (await (await ask('/journal')).json()) as {
			entries: Record<string, unknown>[];
		};
		const found = entries.map(({ operation, database, outcome }) => [operation, database, outcome]);
		expect(found).toEqual(
			expect.arrayContaining([
				['backup', 'shop', 'done'],
				['backup', 'stats', 'failed'],
				['backup', 'logs', 'done'],
				['backup_all', undefined, 'failed'],
				['alert backup_failed', 'stats', 'failed'],
			]),
		);
		expect(entries.find(({ operation }) => operation === 'backup')).toMatchObject({
			caller: { kind: 'code', address: '192.0.2.1' },
		});
		vi.restoreAllMocks();
	});

	test('is an alert that names the database', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		const webhook = receiver();
		Object.assign(bindings, { ALERT_WEBHOOK_URL: webhook.href, STATS: broken });
		await run();
		expect(await receivedAlerts(webhook)).toMatchObject([
			{
				kind: 'backup_failed',
				database: 'stats',
				text: expect.stringMatching(/^https:\/\/other\.example, database stats: The backup failed/),
			},
			{ kind: 'backup_overdue', database: 'stats' },
		]);
		bindings['STATS'] = env.COPY;
		await run();
		expect(await receivedAlerts(webhook)).toMatchObject([
			{ kind: 'backup_recovered', database: 'stats' },
		]);
		vi.restoreAllMocks();
	});

	test('is one ping at its start and one at its end', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		const check = receiver('/check');
		bindings['HEALTHCHECK_PING_URL'] = check.href;
		await run();
		const paths = async () => (await received(check)).map(({ url }) => new URL(url).pathname);
		expect(await paths()).toEqual(['/check/start', '/check']);
		bindings['STATS'] = broken;
		await run();
		const pings = await received(check);
		expect(pings.map(({ url }) => new URL(url).pathname)).toEqual(['/check/start', '/check/fail']);
		expect(pings[1]?.body).toBe('Failed databases: stats');
		await run(begin('due'));
		expect(await paths()).toEqual([]);
		vi.restoreAllMocks();
	});

	test('is no success of one database alone, but its failure', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		const check = receiver('/check');
		Object.assign(bindings, { HEALTHCHECK_PING_URL: check.href, STATS: broken });
		await post('?database=logs');
		expect(await received(check)).toEqual([]);
		await post('?database=stats');
		const [fail] = await received(check);
		expect([new URL(fail?.url ?? '').pathname, fail?.body]).toEqual([
			'/check/fail',
			expect.stringMatching(/^stats: database_error/),
		]);
		vi.restoreAllMocks();
	});
});

describe('databases of one bucket', () => {
	test('a lock and an unfinished backup of one leave the others alone', async () => {
		bindings['BACKUP_PLAN'] = 'free';
		await fillStats();
		const begun = await post('?database=stats');
		expect(begun.status).toBe(202);
		const objects = async () =>
			(await env.MY_BUCKET.list({ prefix: 'stats/' })).objects.map(({ key, etag }) => key + etag);
		const before = await objects();
		expect((await post('')).status).toBe(201);
		expect((await post('?database=logs')).status).toBe(201);
		expect(await objects()).toEqual(before);
		const second = await post('?database=stats', {
			action: 'resume',
			ticket: begun.answer.resume,
		});
		expect(second.status).toBe(202);
		expect(await counts()).toEqual([1, 0, 1]);
	});

	test('an overdue one is told apart from the others', async () => {
		const webhook = receiver();
		bindings['ALERT_WEBHOOK_URL'] = webhook.href;
		await post('');
		await ask('/health?database=stats');
		await ask('/health?database=shop');
		expect(await receivedAlerts(webhook)).toMatchObject([
			{ kind: 'backup_overdue', database: 'stats' },
		]);
	});
});
