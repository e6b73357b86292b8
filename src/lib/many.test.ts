import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { expectError } from '../../tests/calls.ts';
import { receivedAlerts, receiver } from '../../tests/receivers.ts';
import {
	type Answer,
	ask,
	begin,
	bindings,
	broken,
	counts,
	fillStats,
	OPTIONS,
	post,
	resetSeveral,
	resume,
	run,
} from '../../tests/several-databases.ts';

// All databases of an app in one call, and that none of them touches another.

beforeEach(resetSeveral);

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
