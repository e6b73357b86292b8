import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { received, receivedAlerts, receiver } from '../../tests/receivers.ts';
import {
	ask,
	begin,
	bindings,
	broken,
	post,
	resetSeveral,
	run,
} from '../../tests/several-databases.ts';

// What the operators of an app with several databases get to know.

beforeEach(resetSeveral);

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
