import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import {
	API,
	call,
	currentCode,
	expectError,
	makeBackup,
	nextCode,
} from '../../../../../tests/calls.ts';
import { countedBindings } from '../../../../../tests/counted-bindings.ts';
import { breakReceiver, receivedAlerts, receiver } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import { filesOf, HOUR, objectsOf } from '../../../../../tests/retained.ts';
import {
	age,
	JSON_TYPE,
	KEEP_FOUR,
	log,
	prune,
	pruned,
	storeRecent,
} from '../../../../../tests/retention-calls.ts';
import { ask, bindings, resetSeveral } from '../../../../../tests/several-databases.ts';
import { POST } from './backups.ts';

beforeEach(reset);

describe('prune', () => {
	test('is a dry run unless the call says otherwise, which spends no code', async () => {
		const names = await storeRecent(6);
		const before = await objectsOf();
		for (const body of [{}, { dryRun: true }]) {
			const answer = await pruned(await prune(body));
			expect(answer).toMatchObject({ success: true, dryRun: true, blocked: null, marked: [] });
			expect(answer.backups.map(({ name, action }) => [name, action])).toEqual(
				names.map((name, index) => [name, index < 4 ? 'keep' : 'mark']),
			);
		}
		expect(await objectsOf()).toEqual(before);
		const headers = { ...JSON_TYPE, Authorization: `Bearer ${await currentCode()}` };
		await nextCode();
		for (const body of ['{"action":"prune"}', '{"action":"prune","dryRun":false}']) {
			const asked = new Request(API, { method: 'POST', headers, body });
			expect((await call(POST, asked, KEEP_FOUR)).status).toBe(200);
		}
		const again = new Request(API, {
			method: 'POST',
			headers,
			body: '{"action":"prune","dryRun":false}',
		});
		await expectError(await call(POST, again, KEEP_FOUR), 401, 'code_spent');
	});

	test('marks, tells, and removes after the grace, each in the audit log before', async () => {
		const names = await storeRecent(6);
		const webhook = receiver();
		const changes = { ...KEEP_FOUR, ALERT_WEBHOOK_URL: webhook.href };
		const marked = await pruned(await prune({ dryRun: false }, changes));
		expect(marked).toMatchObject({ dryRun: false, marked: [names[5], names[4]], removed: [] });
		const [alert] = await receivedAlerts(webhook);
		const until = marked.backups[5]?.mark?.removableAt.slice(0, 16).replace('T', ' ') ?? '';
		expect(alert).toMatchObject({ kind: 'backups_marked' });
		for (const part of ['2 backups are marked', names[4], names[5], until]) {
			expect(alert?.['text']).toContain(part);
		}
		await age();
		const removed = await pruned(await prune({ dryRun: false }, changes));
		expect(removed).toMatchObject({ removed: [names[5], names[4]], marked: [] });
		expect(await filesOf(names[5] ?? '')).toEqual([]);
		expect(await receivedAlerts(webhook)).toEqual([]);
		const caller = { kind: 'code', address: '192.0.2.1' };
		const entries = (await log()).toReversed();
		expect(entries.map(({ operation }) => operation)).toEqual([
			'mark',
			'alert backups_marked',
			'prune',
			'remove',
			'prune',
		]);
		expect(entries[0]).toMatchObject({ backups: [names[5], names[4]], caller });
		expect(entries[3]).toMatchObject({ backups: [names[5], names[4]], caller });
	});

	test('tells again what was marked, if the receiver did not accept that', async () => {
		const names = await storeRecent(6);
		const webhook = receiver();
		const changes = { ...KEEP_FOUR, ALERT_WEBHOOK_URL: webhook.href };
		await breakReceiver(webhook, { status: 500 });
		await prune({ dryRun: false }, changes);
		await breakReceiver(webhook, {});
		await receivedAlerts(webhook);
		await prune({ dryRun: false }, changes);
		const [alert, ...others] = await receivedAlerts(webhook);
		expect(alert?.['text']).toContain(names[5]);
		expect(others).toEqual([]);
		await prune({ dryRun: false }, changes);
		expect(await receivedAlerts(webhook)).toEqual([]);
	});

	test('follows a backup, within the calls of the free plan', async () => {
		const names = await storeRecent(7);
		const webhook = receiver();
		const changes = {
			...KEEP_FOUR,
			...{ ALERT_WEBHOOK_URL: webhook.href, HEALTHCHECK_PING_URL: receiver().href },
		};
		await prune({ dryRun: false }, { ...changes, BACKUP_KEEP_LAST: '5' });
		await age();
		await receivedAlerts(webhook);
		const { DB, MY_BUCKET } = env;
		const counted = countedBindings({ DB, MY_BUCKET });
		await makeBackup({ ...changes, ...counted.bindings });
		expect(counted.calls()).toBeLessThanOrEqual(50 - 4); // two pings, and two alerts
		expect(await filesOf(names[6] ?? '')).toEqual([]);
		expect(await filesOf(names[5] ?? '')).toEqual([]);
		counted.reset();
		await makeBackup({ ...changes, ...counted.bindings }); // a differential, which marks
		expect(counted.calls()).toBeLessThanOrEqual(50 - 4);
		expect(await receivedAlerts(webhook)).toMatchObject([{ kind: 'backups_marked' }]);
		const app = { kind: 'app', address: '' };
		expect(await log()).toContainEqual(
			expect.objectContaining({ operation: 'remove', backups: [names[6], names[5]], caller: app }),
		);
	});

	test('that fails after a backup sends an alert, and the backup is made', async () => {
		await storeRecent(6);
		await env.MY_BUCKET.put('keep/pins.json', 'forged');
		const webhook = receiver();
		const changes = { ...KEEP_FOUR, ALERT_WEBHOOK_URL: webhook.href };
		await makeBackup(changes);
		expect(await receivedAlerts(webhook)).toMatchObject([
			{ kind: 'prune_failed', code: 'pins_forged', text: expect.stringMatching(/delete keep/) },
		]);
		await makeBackup(changes);
		expect(await receivedAlerts(webhook)).toEqual([]);
		await expectError(await prune({ dryRun: false }, changes), 500, 'pins_forged');
	});

	test('of a setting that is not valid fails, and backups do not', async () => {
		const changes = { BACKUP_KEEP_DAILY: 'seven' };
		await makeBackup(changes);
		await expectError(await prune({}, changes), 500, 'backup_keep_daily_invalid');
	});

	test('waits for a backup', async () => {
		await storeRecent(6);
		const lock = { name: 'full_backup_2026-11-22T00:00:00.000Z', until: Date.now() + HOUR };
		await env.MY_BUCKET.put('lifeboat.lock', JSON.stringify(lock));
		await expectError(await prune({ dryRun: false }), 409, 'backup_running');
	});
});

describe('with several databases', () => {
	beforeEach(resetSeveral);

	test('each has its own plan, pins and marks', async () => {
		for (const path of ['?database=shop', '?database=stats']) {
			for (let count = 0; count < 2; count++)
				await ask(path, { method: 'POST', body: { action: 'backup', kind: 'full' } });
		}
		const plan = async (database: string) =>
			pruned(await ask(`?database=${database}`, { method: 'POST', body: { action: 'prune' } }));
		const [, old] = (await plan('stats')).backups;
		const path = `/${old?.name}.manifest.json?database=stats`;
		expect((await ask(path, { method: 'POST', body: { action: 'pin' } })).status).toBe(200);
		expect((await plan('stats')).backups[1]?.pin).not.toBeNull();
		expect((await plan('shop')).backups.map(({ pin }) => pin)).toEqual([null, null]);
		const { objects } = await env.MY_BUCKET.list({ prefix: 'stats/keep/' });
		expect(objects.map(({ key }) => key)).toEqual(['stats/keep/pins.json']);
		expect(bindings).toHaveProperty('BACKUPS');
	});

	test('a run is about one of them', async () => {
		const response = await ask('?database=*', { method: 'POST', body: { action: 'prune' } });
		expect(response.status).toBe(404);
	});
});
