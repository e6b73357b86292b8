import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareDatabases } from '../../src/cli/demo/compare.ts';
import { BUDGETS } from '../../src/lib/server/backup/make/budget.ts';
import { isTurn, LONG } from '../counts.ts';
import { asD1, openLocalFile } from '../local-database.ts';
import { App } from './app.ts';
import { openBucket } from './bucket.ts';

// The built app as a Worker, whose backups nobody asks for: by its schedule, and by its Workflow.

const VARIABLES = { TOTP_SECRET: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', BACKUP_PLAN: 'paid' };
const WORKFLOW = '/cdn-cgi/explorer/api/workflows/lifeboat-backups/instances';
/** So many tables that their backup takes so many calls. */
const tablesFor = (calls: number) => BUDGETS.paid.queries * (calls - 1) + 50;

let app: App;

beforeEach(() => {
	app = new App('worker');
});
afterEach(() => app.stop());

// Each starts a Worker of its own, which takes seconds.
test.runIf(isTurn(0))(
	'a tick of the schedule makes the backup that is due, and the next one does nothing',
	async () => {
		await app.start(VARIABLES);
		await tick();
		const made = await manifests();
		expect(made).toHaveLength(1);
		await tick();
		expect(await manifests()).toEqual(made);
		expect(app.output()).toMatch(/"operation":"backup".*"caller":\{"kind":"app"/);
		expect(await instances()).toEqual([]);
	},
);

test.runIf(isTurn(1))('the Workflow goes on at once with what a tick has left', async () => {
	fill(tablesFor(2));
	await app.start(VARIABLES);
	await tick(); // under wrangler it lasts as long as the Workflow
	expect(await statuses()).toEqual(['complete']);
	expect(app.output()).toMatch(/"operation":"resume".*"caller":\{"kind":"app".*"status":201/);
	expect(await differences()).toEqual([]);
});

test.runIf(LONG)('the Workflow goes on after its Worker was killed', async () => {
	fill(tablesFor(3));
	await app.start(VARIABLES);
	const ticking = tick().catch(() => {}); // ends with the server
	await until(() => app.output().includes('"operation":"resume"')); // the first step of the Workflow
	await app.kill();
	await ticking;
	await expireLock();
	expect(await manifests()).toEqual([]);
	await app.start(VARIABLES);
	for (const { id, status } of await instances()) {
		if (status !== 'complete') await wake(id);
	}
	await until(async () => (await statuses()).every((status) => status === 'complete'));
	expect((await instances()).length).toBeGreaterThan(1);
	expect(await differences()).toEqual([]);
});

/** What Cloudflare calls at the times in [triggers]. */
async function tick(): Promise<void> {
	const response = await fetch(`${app.url}/cdn-cgi/handler/scheduled`);
	expect([response.status, await response.text()]).toEqual([200, 'ok']);
}

function fill(tables: number): void {
	using database = openLocalFile(app.folder);
	database.exec('BEGIN');
	for (let table = 1; table <= tables; table++) {
		database.exec(`CREATE TABLE t${table} (id INTEGER PRIMARY KEY, value TEXT)`);
		database.exec(`INSERT INTO t${table} (value) VALUES ('row of ${table}')`);
	}
	database.exec('COMMIT');
}

/** The Workflow's instances. */
async function instances(): Promise<{ id: string; status?: string }[]> {
	const response = await fetch(`${app.url}${WORKFLOW}?per_page=100`);
	return ((await response.json()) as { result: [] }).result;
}

const statuses = async () => (await instances()).map(({ status }) => status);

/** Has an instance go on: unlike Cloudflare, wrangler forgets those that ran when it ended. */
async function wake(id: string): Promise<void> {
	const change = (status: string) =>
		fetch(`${app.url}${WORKFLOW}/${id}/status`, {
			method: 'PATCH',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ status }),
		});
	await change('pause');
	await until(async () =>
		(await instances()).some((one) => one.id === id && one.status === 'paused'),
	);
	await change('resume');
}

/** As if the five minutes had passed for which a killed step holds the lock. */
async function expireLock(): Promise<void> {
	await using opened = await openBucket(app.folder);
	const lock = JSON.parse((await (await opened.bucket.get('lifeboat.lock'))?.text()) ?? '');
	if (!lock.waiting)
		await opened.bucket.put('lifeboat.lock', JSON.stringify({ ...lock, until: 0 }));
}

async function manifests(): Promise<string[]> {
	await using opened = await openBucket(app.folder);
	const { objects } = await opened.bucket.list({ prefix: 'full_backup_' });
	return objects.map(({ key }) => key).filter((key) => key.endsWith('.manifest.json'));
}

/** Restores the backup by SQLite alone, and compares. */
async function differences(): Promise<string[]> {
	await using opened = await openBucket(app.folder);
	const [name = ''] = await manifests();
	const manifest = JSON.parse((await (await opened.bucket.get(name))?.text()) ?? '');
	expect(manifest.volumes.length).toBeGreaterThan(1);
	using restored = new DatabaseSync(':memory:');
	for (const { key } of manifest.volumes) {
		const object = await opened.bucket.get(key);
		restored.exec(gunzipSync((await object?.arrayBuffer()) ?? '').toString());
	}
	using original = openLocalFile(app.folder);
	return (await compareDatabases(asD1(original), asD1(restored))).differences;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
	const deadline = Date.now() + 60_000;
	while (Date.now() < deadline) {
		if (await holds()) return;
		await sleep(50);
	}
	throw new Error(`It never came to that: ${JSON.stringify(await instances())}\n${app.output()}`);
}
