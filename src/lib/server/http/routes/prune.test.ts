import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import {
	API,
	authorized,
	call,
	currentCode,
	expectError,
	makeBackup,
	nextCode,
	SECRET,
} from '../../../../../tests/calls.ts';
import { countedBindings } from '../../../../../tests/counted-bindings.ts';
import { breakReceiver, receivedAlerts, receiver } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import { DAY, filesOf, HOUR, objectsOf, store } from '../../../../../tests/retained.ts';
import { ask, bindings, resetSeveral } from '../../../../../tests/several-databases.ts';
import type { PlannedBackup } from '../../backup/keep/outlook.ts';
import type { Pruned } from '../../backup/keep/prune.ts';
import { GRACE_MS } from '../../backup/keep/marks.ts';
import { changeSigned, signedKind } from '../../backup/keep/signed-state.ts';
import type { BackupKey } from '../../backup/format/signature.ts';
import { backupKeys } from '../../backup/settings.ts';
import type { Environment } from '../../environment.ts';
import { readAuditLog } from '../../operations/audit-log.ts';
import { DELETE, POST as postFile } from './file.ts';
import { POST } from './backups.ts';
import * as v from 'valibot';

beforeEach(reset);

const [signer] = backupKeys({ TOTP_SECRET: SECRET }) as [BackupKey];
const KEEP_FOUR = { BACKUP_KEEP_LAST: '4', BACKUP_PRUNE_MAX_PERCENT: '100' };
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Backups of the last days, the newest an hour old, all proven. */
async function storeRecent(count: number): Promise<string[]> {
	const names: string[] = [];
	for (let day = 0; day < count; day++) {
		names.push(await store(Date.now() - HOUR - day * DAY, { signer, drilled: true }));
	}
	return names;
}

async function prune(
	body: object = {},
	changes: Partial<Environment> = KEEP_FOUR,
): Promise<Response> {
	const text = JSON.stringify({ action: 'prune', ...body });
	const init = { method: 'POST', headers: JSON_TYPE, body: text };
	return call(POST, await authorized(init), changes);
}

const pruned = async (response: Response) =>
	(await response.json()) as Pruned & { success: boolean; dryRun: boolean };

async function decide(name: string, body: object, changes = KEEP_FOUR): Promise<Response> {
	const init = { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) };
	return call(postFile, await authorized(init, `${API}/${name}.manifest.json`), changes);
}

async function remove(name: string, changes: Partial<Environment> = KEEP_FOUR): Promise<Response> {
	const asked = await authorized({ method: 'DELETE' }, `${API}/${name}.manifest.json`);
	return call(DELETE, asked, changes);
}

/** Lets the grace of all marks be over. */
async function age(): Promise<void> {
	const Marks = v.record(v.string(), v.looseObject({ at: v.number() }));
	const context = { bucket: env.MY_BUCKET, name: 'main', signer, keys: [signer], now: Date.now };
	await changeSigned(context, signedKind('marks', Marks, {}), (marks) =>
		Object.fromEntries(
			Object.entries(marks ?? {}).map(([name, mark]) => [
				name,
				{ ...mark, at: mark.at - GRACE_MS },
			]),
		),
	);
}

const log = async () => (await readAuditLog(env.MY_BUCKET, { limit: 100 })).entries;

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

describe('a person', () => {
	test('pins a backup with a note, and takes that back', async () => {
		const names = await storeRecent(6);
		const name = names[5] ?? '';
		const pin = await decide(name, { action: 'pin', note: 'before 2.0 🚀' });
		expect(await pin.json()).toEqual({
			...{ success: true, backup: name },
			pin: { at: expect.stringMatching(/Z$/), note: 'before 2.0 🚀' },
		});
		const last = async () => (await pruned(await prune())).backups.at(-1);
		expect(await last()).toMatchObject({ action: 'keep', reasons: [{ code: 'pinned' }] });
		const unpin = await decide(name, { action: 'unpin' });
		expect(await unpin.json()).toEqual({ success: true, backup: name, pin: null });
		expect(await last()).toMatchObject({ action: 'mark', pin: null });
		expect((await log()).map(({ operation, backup }) => [operation, backup])).toContainEqual([
			'pin',
			name,
		]);
	});

	test.for([
		'x'.repeat(201),
		'two\nlines',
		'a tab\t',
		'turned \u202e round',
		'isolated \u2066',
		'a mark \u200f',
		'half \ud83d',
		7,
	])('cannot pin with the note %j', async (note) => {
		const [name = ''] = await storeRecent(1);
		await expectError(await decide(name, { action: 'pin', note }), 400, 'body_invalid');
	});

	test('withdraws a mark', async () => {
		const names = await storeRecent(5);
		await prune({ dryRun: false });
		const unmark = await decide(names[4] ?? '', { action: 'unmark' });
		expect(await unmark.json()).toEqual({ success: true, backup: names[4], mark: null });
		expect((await pruned(await prune())).backups[4]).toMatchObject({ action: 'mark', mark: null });
	});

	test('asks for the removal of one backup, without a policy too', async () => {
		const names = await storeRecent(6);
		const response = await remove(names[4] ?? '', {});
		expect(response.status).toBe(202);
		const { mark } = (await response.json()) as { mark: NonNullable<PlannedBackup['mark']> };
		expect(mark).toMatchObject({ by: 'request', locked: false, removing: false });
		expect(Date.parse(mark.removableAt) - Date.parse(mark.at)).toBe(GRACE_MS);
		expect((await pruned(await prune({ dryRun: false }, {}))).removed).toEqual([]);
		await age();
		expect((await pruned(await prune({ dryRun: false }, {}))).removed).toEqual([names[4]]);
		expect(await filesOf(names[4] ?? '')).toEqual([]);
		expect(await filesOf(names[5] ?? '')).toHaveLength(3);
		const operations = (await log()).map(({ operation }) => operation).toReversed();
		expect(operations.slice(0, 3)).toEqual(['mark', 'alert backups_marked', 'delete']);
	});

	test('sees an alert that names who asked for a removal, once', async () => {
		const names = await storeRecent(5);
		const webhook = receiver();
		const changes = { ...KEEP_FOUR, ALERT_WEBHOOK_URL: webhook.href };
		for (let count = 0; count < 2; count++)
			expect((await remove(names[4] ?? '', changes)).status).toBe(202);
		const alerts = await receivedAlerts(webhook);
		expect(alerts).toMatchObject([{ kind: 'backups_marked', backup: names[4] }]);
		expect(alerts[0]?.['text']).toContain('192.0.2.1');
	});

	test('cannot have removed what others rest on, or what has to stay', async () => {
		const names = await storeRecent(6);
		const child = await store(Date.now() - 5 * DAY, { parent: names[5] ?? '', signer });
		const needed = await expectError(await remove(names[5] ?? ''), 409, 'backup_needed');
		expect(needed).toContain(child);
		const kept = await expectError(await remove(names[0] ?? ''), 409, 'backup_kept');
		expect(kept).toContain('the newest');
		await decide(names[3] ?? '', { action: 'pin' });
		expect(await expectError(await remove(names[3] ?? ''), 409, 'backup_kept')).toContain('pinned');
		expect((await objectsOf()).filter((key) => key === 'keep/marks.json')).toEqual([]);
	});

	test('decides nothing about what is not there, or not the app’s own', async () => {
		const missing = 'full_backup_2020-01-01T00:00:00.000Z';
		const forged = await store(Date.now() - DAY, { signer: null });
		for (const [name, status, code] of [
			[missing, 404, 'backup_not_found'],
			[forged, 422, 'manifest_unsigned'],
		] as const) {
			await expectError(await remove(name), status, code);
			await expectError(await decide(name, { action: 'pin' }), status, code);
		}
		await expectError(await decide('photo', { action: 'unmark' }), 404, 'backup_not_found');
	});
});

describe('with several databases', () => {
	beforeEach(resetSeveral);

	test('each has its own plan, pins and marks', async () => {
		const [shop] = backupKeys({ TOTP_SECRET: SECRET }) as [BackupKey];
		expect(shop).toBeDefined();
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
