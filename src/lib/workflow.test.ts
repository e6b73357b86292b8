import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { run } from '../../tests/backups.ts';
import { SECRET } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';
import { lifeboat } from './index.ts';
import { type Leg, startLeg } from './server/unattended/scheduled.ts';
import { backupWorkflow } from './workflow.ts';

// The Workflow with steps and a binding of the test; tests/app/worker.test.ts has the real ones.

const TICK = { scheduledTime: Date.UTC(2026, 10, 26, 12, 10) };

/** Instances that were created. */
let created: { id: string; params: Leg }[];
const BACKUP_WORKFLOW = {
	async create(options: { id: string; params: Leg }) {
		if (created.some(({ id }) => id === options.id)) throw new Error('instance.already_exists');
		created.push(options);
	},
};

beforeEach(async () => {
	created = [];
	await reset();
	await run(env.DB, 'CREATE TABLE a (x)', "INSERT INTO a VALUES ('boat')");
});

const bindings = (changes = {}) => {
	const { DB, DRILL_DB, MY_BUCKET } = env;
	const settings = { TOTP_SECRET: SECRET, BACKUP_PLAN: 'paid' };
	return { ...settings, DB, DRILL_DB, MY_BUCKET, BACKUP_WORKFLOW, ...changes };
};

/** Runs an instance; every step is taken `times` times. Returns the names of its steps. */
async function runInstance(leg: object | undefined, given: object, times = 1): Promise<string[]> {
	const names: string[] = [];
	const step = {
		async do<T>(name: string, _: object, callback: () => Promise<T>): Promise<T> {
			names.push(name);
			let result = await callback();
			for (let again = 1; again < times; again++) result = await callback();
			return result;
		},
		async sleep(name: string, milliseconds: number) {
			names.push(`${name} ${milliseconds}`);
		},
	};
	const { prototype } = backupWorkflow(lifeboat());
	const event = { instanceId: 'by-hand', ...(leg && { payload: leg }) };
	await prototype.run.call({ env: given }, event, step);
	return names;
}

test('a tick starts an instance for what it leaves, and each instance the next', async () => {
	await lifeboat().scheduled(TICK, bindings());
	expect(created).toEqual([
		{
			id: 'lifeboat-2026-11-26T12-10-00-000Z-1',
			params: { chain: 'lifeboat-2026-11-26T12-10-00-000Z', number: 1, wait: 0 },
		},
	]);
	expect(await runInstance(created[0]?.params, bindings())).toEqual(['take a turn']);
	const { objects } = await env.MY_BUCKET.list();
	expect(objects.filter(({ key }) => key.includes('.proof-'))).toHaveLength(1);
	expect(created).toHaveLength(1);
});

test('a tick leaves the turns to the Workflow while that runs', async () => {
	await lifeboat().scheduled(TICK, bindings());
	await lifeboat().scheduled({ scheduledTime: TICK.scheduledTime + 600_000 }, bindings());
	expect(created).toHaveLength(1);
	const { objects } = await env.MY_BUCKET.list();
	expect(objects.filter(({ key }) => key.includes('.proof-'))).toHaveLength(0);
});

test('a tick that leaves nothing starts none', async () => {
	await lifeboat().scheduled(TICK, bindings({ DRILL_DB: undefined }));
	expect(created).toEqual([]);
});

test('an instance that is started by hand makes a backup too, and each step may run twice', async () => {
	expect(await runInstance(undefined, bindings(), 2)).toEqual(['take a turn']);
	const { objects } = await env.MY_BUCKET.list();
	expect(objects.filter(({ key }) => key.endsWith('.manifest.json'))).toHaveLength(1);
	expect(objects.filter(({ key }) => key.includes('.proof-'))).toHaveLength(1);
});

test('an instance waits as long as the one before says, and passes that on', async () => {
	const tables = Array.from({ length: 60 }, (_, n) => [
		`CREATE TABLE t${n} (id INTEGER PRIMARY KEY, x)`,
		`INSERT INTO t${n} (x) VALUES (${n})`,
	]);
	await run(env.DB, ...tables.flat());
	const leg = { chain: 'c', number: 3, wait: 1000 };
	const names = await runInstance(leg, bindings({ BACKUP_PLAN: 'free' }));
	expect(names).toEqual(['wait 1000', 'take a turn', 'start the next instance']);
	expect(created).toMatchObject([{ id: 'c-4', params: { chain: 'c', number: 4 } }]);
	expect(created[0]?.params.wait).toBeGreaterThan(700_000);
});

test('a turn that fails for good sends an alert and ends the instance with its error', async () => {
	const alerts: string[] = [];
	const unattended = {
		turn: () => Promise.reject(new Error('killed')),
		start: async () => {},
		async alert(_: object, reason: string) {
			alerts.push(reason);
		},
	};
	const { prototype } = backupWorkflow({ unattended });
	const step = {
		do: <T>(_: string, __: object, callback: () => Promise<T>) => callback(),
		sleep: async () => {},
	};
	const running = prototype.run.call({ env: {} }, { instanceId: 'x' }, step);
	await expect(running).rejects.toThrow('killed');
	expect(alerts).toEqual(['Error: killed']);
});

test('another error than that of an instance that exists is thrown', async () => {
	const create = () => Promise.reject(new Error('Workflows are down.'));
	const started = startLeg({ create }, { chain: 'c', number: 1, wait: 0 });
	await expect(started).rejects.toThrow('Workflows are down.');
});
