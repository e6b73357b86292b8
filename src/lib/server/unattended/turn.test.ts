import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { keys, run } from '../../../../tests/backups.ts';
import { SECRET } from '../../../../tests/calls.ts';
import { receivedAlerts, receiver } from '../../../../tests/receivers.ts';
import { reset } from '../../../../tests/reset.ts';
import { manifestKey } from '../backup/format/names.ts';
import { listBackups } from '../backup/index.ts';
import { BUDGETS } from '../backup/make/budget.ts';
import { drillBackup } from '../backup/prove/prove.ts';
import { engineOf } from '../backup/settings.ts';
import { changeState } from '../backup/storage/state.ts';
import { environmentOf } from '../environment.ts';
import { mount, type Options } from '../../mount.ts';
import { type Entry, readAuditLog } from '../operations/audit-log.ts';
import { begun, MAX_TRIES, PLAN } from './plan.ts';
import { handOver, takeTurn } from './turn.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';

const clock = { now: 0 };

beforeEach(async () => {
	clock.now = Date.UTC(2026, 10, 26, 12);
	await reset();
	await run(env.DB, 'CREATE TABLE a (x)', "INSERT INTO a VALUES ('boat')");
});

interface App {
	options?: Options;
	env?: object;
}

function environment({ options, env: changes }: App = {}) {
	const { DB, COPY, MY_BUCKET } = env;
	const given = { TOTP_SECRET: SECRET, BACKUP_PLAN: 'paid', DB, COPY, MY_BUCKET, ...changes };
	return mount(options).environment(given);
}

/** Takes a turn after some time. */
function turn(after = 0, app?: App) {
	clock.now += after;
	return takeTurn({ env: environment(app), now: () => clock.now++ }, 'tick');
}

async function backups(app?: App, database = 'main') {
	const { bucket, keys } = engineOf(environmentOf(environment(app), database));
	return (await listBackups({ bucket, keys, now: () => clock.now })).backups;
}

async function entries(): Promise<Entry[]> {
	return (await readAuditLog(env.MY_BUCKET, { limit: 100 })).entries;
}

describe('a turn', () => {
	test('makes the backup that is due, and the next one does nothing', async () => {
		expect(await turn()).toEqual({ wait: null, failure: null });
		expect(await backups()).toHaveLength(1);
		const before = await keys();
		for (let tick = 0; tick < 12; tick++) expect((await turn(10 * MINUTE)).wait).toBeNull();
		expect(await keys()).toEqual(before);
		expect(await entries()).toMatchObject([
			{ operation: 'backup', outcome: 'done', caller: { kind: 'app' } },
		]);
	});

	test('makes the next one when half of the allowed age is over', async () => {
		const app = { env: { BACKUP_MAX_AGE_HOURS: '24' } };
		await turn(0, app);
		for (let tick = 0; tick < 11; tick++) await turn(HOUR, app);
		expect(await backups()).toHaveLength(1);
		await turn(HOUR, app);
		expect(await backups()).toHaveLength(2);
	});

	test('is not put off by a plan that somebody else has written', async () => {
		await changeState(env.MY_BUCKET, PLAN, (plan) => ({ ...plan, next: clock.now + 48 * HOUR }));
		await turn();
		expect(await backups()).toHaveLength(1);
	});

	test('costs one read of R2 when there is nothing to do', async () => {
		await turn();
		const called: (string | symbol)[] = [];
		const MY_BUCKET = new Proxy(env.MY_BUCKET, {
			get(target, name) {
				const value: unknown = Reflect.get(target, name);
				if (typeof value !== 'function') return value;
				called.push(name);
				return value.bind(target);
			},
		});
		await turn(MINUTE, { env: { MY_BUCKET } });
		expect(called.filter((name) => name !== 'list')).toEqual(['get']);
	});
});

describe('a backup that takes many calls', () => {
	const app = { env: { BACKUP_PLAN: 'free', DRILL_DB: env.DRILL_DB } };
	const { pause } = BUDGETS.free;

	beforeEach(async () => {
		const tables = Array.from({ length: 60 }, (_, n) => [
			`CREATE TABLE t${n} (id INTEGER PRIMARY KEY, x)`,
			`INSERT INTO t${n} (x) VALUES ('row of ${n}')`,
		]);
		await run(env.DB, ...tables.flat());
	});

	test('goes on in the turn after the pause of the plan, and in none before', async () => {
		const { wait } = await turn(0, app);
		expect(wait).toBeGreaterThan(pause - 10);
		const before = await keys();
		expect((await turn(pause / 2, app)).wait).toBeGreaterThan(pause / 2 - 100);
		expect(await keys()).toEqual(before);
		let turns = 0;
		while ((await backups(app)).length === 0 && turns++ < 10) await turn(pause, app);
		expect(turns).toBeGreaterThan(1);
		const [backup] = await backups(app);
		expect(backup?.tables).toBe(61);
		const file = manifestKey(backup?.name ?? '');
		const proof = await drillBackup(engineOf(environment(app)), env.DRILL_DB, file);
		expect(proof).toMatchObject({ proven: true, differences: [] });
	});

	test('takes no step of a run that somebody else has written', async () => {
		await turn(0, app);
		const forged = 'eyJhbGciOiJIUzI1NiJ9.e30.x';
		await changeState(env.MY_BUCKET, PLAN, (plan) => ({ ...plan, run: forged }));
		expect((await turn(pause, app)).failure).toBeNull();
		expect(await backups(app)).toHaveLength(0);
	});

	test('is left to a Workflow, until that has been silent for too long', async () => {
		await turn(0, app);
		const self = { env: environment(app), now: () => clock.now };
		await handOver(self, pause);
		await turn(pause + 10 * MINUTE, app);
		expect((await entries()).map(({ operation }) => operation)).toEqual(['backup']);
		await turn(11 * MINUTE, app);
		expect((await entries()).length).toBeGreaterThan(1);
	});

	test('goes on where a turn was killed', async () => {
		await turn(0, app);
		await changeState(env.MY_BUCKET, PLAN, (plan) => begun(plan, 'tick', clock.now));
		for (let turns = 0; turns < 6; turns++) await turn(pause, app);
		expect(await backups(app)).toHaveLength(1);
		expect((await entries()).filter(({ outcome }) => outcome === 'failed')).toEqual([]);
	});

	test('is given up for an hour when its turns are killed again and again, with an alert', async () => {
		const webhook = receiver();
		const told = { env: { ...app.env, ALERT_WEBHOOK_URL: webhook.href } };
		await turn(0, told);
		const kill = () => changeState(env.MY_BUCKET, PLAN, (plan) => begun(plan, 'tick', clock.now));
		for (let kills = 0; kills < MAX_TRIES; kills++) await kill();
		await turn(pause, told);
		const alerts = await receivedAlerts(webhook);
		expect(alerts).toContainEqual(expect.objectContaining({ code: 'unattended_failed' }));
		for (let kills = 0; kills <= MAX_TRIES; kills++) await kill();
		const before = await keys();
		await turn(HOUR - MINUTE, told);
		expect(await keys()).toEqual(before);
	});
});

describe('the newest backup', () => {
	const app = { env: { DRILL_DB: env.DRILL_DB } };

	test('is drilled in the next turn, once', async () => {
		expect(await turn(0, app)).toEqual({ wait: 0, failure: null });
		expect((await backups())[0]?.drilled).toBeNull();
		expect(await turn(0, app)).toEqual({ wait: null, failure: null });
		expect((await backups())[0]?.drilled).toMatchObject({ proven: true });
		expect(await entries()).toContainEqual(
			expect.objectContaining({
				operation: 'drill',
				outcome: 'done',
				caller: { kind: 'app', address: '' },
			}),
		);
		const proofs = async () => (await keys()).filter((key) => key.includes('.proof-'));
		for (let day = 0; day < 3; day++) await turn(24 * HOUR, app);
		expect(await proofs()).toHaveLength(1);
	});

	test('is not drilled if it can be read with a key only', async () => {
		const encrypted = { env: { ...app.env, BACKUP_AGE_RECIPIENTS: RECIPIENT } };
		await turn(0, encrypted);
		expect(await turn(0, encrypted)).toEqual({ wait: null, failure: null });
		expect((await backups())[0]).toMatchObject({ drilled: null });
		expect((await entries()).map(({ operation }) => operation)).not.toContain('drill');
	});

	test('is reported and replaced if it is damaged', async () => {
		const webhook = receiver();
		const told = { env: { ...app.env, ALERT_WEBHOOK_URL: webhook.href } };
		await turn(0, told);
		const [volume = ''] = (await backups())[0]?.files ?? [];
		await env.MY_BUCKET.put(volume, 'nothing');
		await receivedAlerts(webhook);
		expect((await turn(0, told)).failure).toContain('backup_differs');
		expect((await receivedAlerts(webhook)).map(({ kind }) => kind)).toEqual(['drill_failed']);
		await turn(MINUTE, told);
		expect(await backups()).toHaveLength(2);
	});

	test('is drilled a day later if the drill was killed', async () => {
		await turn(0, app);
		await changeState(env.MY_BUCKET, PLAN, (plan) => begun(plan, 'tick', clock.now));
		for (let hour = 1; hour < 24; hour++) await turn(HOUR, app);
		expect((await backups())[0]?.drilled).toBeNull();
		for (let hour = 0; hour < 3; hour++) await turn(HOUR, app);
		expect((await backups())[0]?.drilled).toMatchObject({ proven: true });
	});

	test('is tried again after a day if its drill could not be made', async () => {
		await env.DRILL_DB.exec('CREATE TABLE other (x)');
		await turn(0, app);
		expect((await turn(0, app)).failure).toContain('drill_database_not_empty');
		await env.DRILL_DB.exec('DROP TABLE other');
		for (let hour = 1; hour < 24; hour++) await turn(HOUR, app);
		expect((await backups())[0]?.drilled).toBeNull();
		for (let hour = 0; hour < 3; hour++) await turn(HOUR, app);
		expect((await backups())[0]?.drilled).toMatchObject({ proven: true });
	});
});

describe('several databases', () => {
	const options = { databases: { shop: 'DB', stats: 'COPY' } };

	test('are all backed up in one turn if that is enough', async () => {
		await run(env.COPY, 'CREATE TABLE visits (id INTEGER PRIMARY KEY)');
		expect(await turn(0, { options })).toEqual({ wait: null, failure: null });
		expect(await backups({ options }, 'shop')).toHaveLength(1);
		expect(await backups({ options }, 'stats')).toHaveLength(1);
	});

	test('do not wait for one that fails, which is tried again after an hour', async () => {
		const webhook = receiver();
		const broken = { options, env: { COPY: undefined, ALERT_WEBHOOK_URL: webhook.href } };
		const { wait, failure } = await turn(0, broken);
		expect(await receivedAlerts(webhook)).toEqual([
			expect.objectContaining({
				code: 'unattended_failed',
				text: expect.stringContaining('COPY is missing'),
			}),
		]);
		expect(wait).toBeNull();
		expect(failure).toContain('stats');
		expect(await backups({ options }, 'shop')).toHaveLength(1);
		const before = await keys();
		await turn(HOUR - MINUTE, broken);
		expect(await keys()).toEqual(before);
		await turn(MINUTE, { options });
		expect(await backups({ options }, 'stats')).toHaveLength(1);
	});
});
