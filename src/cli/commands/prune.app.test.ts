import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../lib/server/backup/keep/check/findings.ts';
import type { Pruned } from '../../lib/server/backup/keep/prune.ts';
import { TOTP } from '../../lib/totp.js';
import { App } from '../../../tests/app/app.ts';
import { forgetCodes, openBucket } from '../../../tests/app/bucket.ts';
import { type Command, operate, projectFolder, removeFolder } from '../../../tests/operator.ts';

// The commands of retention with the built app: its oldest backups go unless somebody wants them.

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

let app: App;
let project: string;
/** The oldest first. */
const names: string[] = [];

beforeAll(async () => {
	[app, project] = [new App(), projectFolder()];
	await app.start({ TOTP_SECRET: SECRET, BACKUP_KEEP_LAST: '1', BACKUP_FULL_DAYS: '0' });
	for (let count = 0; count < 3; count++) {
		names.push((await post('', { action: 'backup' })).backup.name);
	}
	await post(`/${names[2]}.manifest.json`, { action: 'verify' });
});
afterAll(async () => {
	await app?.stop();
	removeFolder(project);
});

async function post(path: string, body: object): Promise<{ backup: { name: string } }> {
	forgetCodes(app.folder);
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	const headers = { Authorization: `Bearer ${code}`, 'Content-Type': 'application/json' };
	const options = { method: 'POST', headers, body: JSON.stringify(body) };
	const response = await fetch(`${app.url}/api/backup${path}`, options);
	expect(response.ok).toBe(true);
	return (await response.json()) as { backup: { name: string } };
}

/** Runs a command of `npm run` for this app, and returns what it prints with --json. */
async function run<T>(command: Command, ...args: string[]): Promise<T & { exit: number | null }> {
	forgetCodes(app.folder);
	const env = { TOTP_SECRET: SECRET, BACKUP_URL: app.url };
	const { code, stdout } = await operate(project, command, [...args, '--json'], { env });
	return { ...(JSON.parse(stdout) as T), exit: code };
}

const actions = ({ backups }: Pruned) => backups.map(({ action }) => action).reverse();

test('prune marks the oldest backup, which a pin or --undo saves', async () => {
	expect(actions(await run('prune'))).toEqual(['mark', 'later', 'keep']);
	const [oldest = '', middle = ''] = names;
	expect(await run<Pruned>('prune', '--apply')).toMatchObject({ exit: 0, marked: [oldest] });
	expect(actions(await run('prune'))).toEqual(['wait', 'mark', 'keep']);

	expect(await run('pin', middle, '--note', 'before 2.0')).toMatchObject({
		backup: middle,
		pin: { note: 'before 2.0' },
	});
	expect(await run('delete', middle)).toMatchObject({ code: 'backup_kept' });
	await run('pin', middle, '--undo');
	expect(await run('delete', `${middle}.sql.gz`)).toMatchObject({ mark: { by: 'request' } });
	await run('delete', oldest, '--undo');
	await run('pin', oldest);
	expect(actions(await run('prune'))).toEqual(['keep', 'wait', 'keep']);
	expect(await run('delete', names[2] ?? '')).toMatchObject({ code: 'backup_kept' });
});

test('check tells what is in the bucket', async () => {
	expect(await run('check')).toMatchObject({ exit: 0, database: 'main', objects: [] });
	await using open = await openBucket(app.folder);
	await open.bucket.put('full_backup_2026-01-01T00:00:00.000Z.sql', 'x');
	await open.bucket.put('uploads/1', 'x');
	const more = await run<{ objects: Finding[] }>('check');
	expect([more.exit, more.objects.map(({ state }) => state)]).toEqual([0, ['leftover', 'foreign']]);
	await open.bucket.delete(`${names[0]}.sql.gz`);
	const damaged = await run<{ objects: Finding[] }>('check');
	expect([damaged.exit, damaged.objects[1]]).toMatchObject([
		1,
		{ state: 'missing', key: `${names[0]}.sql.gz`, backup: names[0] },
	]);
});
