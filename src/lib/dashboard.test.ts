import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../tests/backups.ts';
import { ADDRESS, currentCode, nextCode, SECRET } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';
import type { Dashboard, Person } from './dashboard.ts';
import { type Event, lifeboat, type LifeboatOptions } from './index.ts';
import { MAX_RUNS } from './server/access/session-runs.ts';
import { MAX_WRONG } from './server/access/lockout.ts';
import { SESSION_MS } from './server/dashboard/visit.ts';
import { TOTP } from './totp.js';

// The dashboard as an app mounts it, without its pages.

const ORIGIN = 'https://app.example';
const ADA: Person = { account: '1815', name: 'Ada', since: 0 };

beforeEach(async () => {
	await reset();
	await run(env.DB, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)', "INSERT INTO t VALUES (1, 'a')");
});

interface Visit {
	path?: string;
	form?: Record<string, string>;
	origin?: string;
	/** How long ago the session began, in milliseconds. */
	age?: number;
	options?: LifeboatOptions;
	bindings?: object;
}

type Ask<T> = (dashboard: Dashboard<Event>, event: Event) => Promise<T>;

/** Asks the dashboard on behalf of Ada: a form if there is one, else a page. */
function visit<T>(ask: Ask<T>, given: Visit = {}): Promise<T> {
	const { path = '/backups', form, origin = ORIGIN, age = 0, options = {} } = given;
	const url = new URL(path, ORIGIN);
	const request = form
		? new Request(url, { method: 'POST', body: new URLSearchParams(form), headers: { origin } })
		: new Request(url);
	const { DB, MY_BUCKET, DRILL_DB } = env;
	const settings = { TOTP_SECRET: SECRET, BACKUP_ORIGIN: ORIGIN };
	const platform = {
		env: { ...{ DB, MY_BUCKET, DRILL_DB, COPY: env.COPY }, ...settings, ...given.bindings },
	};
	const authorize = async () => ({ ...ADA, since: Date.now() - age });
	const { dashboard } = lifeboat({ authorize, ...options });
	return ask(dashboard, { request, url, platform, getClientAddress: () => ADDRESS });
}

const send = <T>(ask: Ask<T>, form: Record<string, string> = {}, given: Visit = {}) =>
	visit(ask, { ...given, form });

async function start(given: Visit = {}): Promise<string> {
	return (await send((d, e) => d.start(e), {}, given)).name;
}

/** A form's fields with a code that was not used. */
async function withCode(fields: Record<string, string> = {}) {
	await nextCode();
	return { ...fields, code: await currentCode() };
}

const status = (given: Visit = {}) => visit((d, e) => d.status(e), given);
const refused = (code: string) => expect.objectContaining({ code }) as Error;

async function logged(operation: string) {
	const { entries } = await visit((d, e) => d.log(e), {
		path: `/backups/log?operation=${operation}`,
	});
	return entries;
}

describe('the door', () => {
	test('is shut unless the app opens it', async () => {
		const shut = async () => null;
		await expect(status({ options: { authorize: shut } })).rejects.toThrow(
			refused('sign_in_needed'),
		);
		const { dashboard } = lifeboat();
		const url = new URL(ORIGIN);
		const event = { request: new Request(url), url, getClientAddress: () => ADDRESS };
		await expect(dashboard.status(event)).rejects.toThrow(refused('sign_in_needed'));
	});

	test.each([
		['a session that is too old', 'session_too_old', { age: SESSION_MS + 1000 }],
		['a session from nowhere', 'session_too_old', { age: Number.NaN }],
		[
			'the address of a preview',
			'preview_refused',
			{ bindings: { BACKUP_ORIGIN: 'https://a.example' } },
		],
		['a database that there is not', 'database_unknown', { path: '/backups?database=x' }],
	])('refuses %s', async (_, code, given) => {
		await expect(status(given)).rejects.toThrow(refused(code));
	});

	test('refuses a form of another site, or of none', async () => {
		for (const origin of ['https://evil.example', 'null', '']) {
			await expect(start({ origin })).rejects.toThrow(refused('origin_foreign'));
		}
		expect((await status()).shown?.backups).toEqual([]);
	});

	test('lets what the app throws through', async () => {
		const authorize = () => Promise.reject(new Error('redirect'));
		await expect(status({ options: { authorize } })).rejects.toThrow('redirect');
	});
});

describe('a session alone', () => {
	test('backs up, verifies and drills, and is named in the audit log', async () => {
		const name = await start();
		await send((d, e) => d.verify(e, name));
		const { message } = await send((d, e) => d.drill(e, name));
		expect(message).toBe('It is proven: 1 tables, 1 rows.');
		const page = await status();
		expect(page.verdict).toMatchObject({ state: 'proven' });
		expect(page.shown?.backups).toMatchObject([{ name, drilled: { proven: true } }]);
		for (const operation of ['backup', 'verify', 'drill']) {
			expect(await logged(operation)).toMatchObject([
				{ outcome: 'done', backup: name, caller: { kind: 'administrator', account: '1815' } },
			]);
		}
	});

	test('has a limit by the hour', async () => {
		const name = await start();
		for (let runs = 1; runs < MAX_RUNS; runs++) await send((d, e) => d.verify(e, name));
		await expect(start()).rejects.toThrow(refused('too_many_runs'));
		await expect(send((d, e) => d.verify(e, name))).rejects.toThrow(refused('too_many_runs'));
	});

	test('decides nothing', async () => {
		const name = await start();
		const asks: Ask<unknown>[] = [
			(d, e) => d.pin(e, name),
			(d, e) => d.unpin(e, name),
			(d, e) => d.unmark(e, name),
			(d, e) => d.remove(e, name),
			(d, e) => d.prune(e),
			(d, e) => d.download(e, name),
		];
		const form = { name, file: `${name}.manifest.json` };
		for (const ask of asks) {
			await expect(send(ask, form)).rejects.toThrow(refused('code_missing'));
		}
		await expect(send((d, e) => d.lift(e), await withCode())).rejects.toThrow(
			refused('long_code_needed'),
		);
		expect((await status()).shown?.holdings).toMatchObject({ backups: 1, pinned: 0, marked: 0 });
	});
});

describe('a typed code', () => {
	test('works once', async () => {
		const name = await start();
		const form = await withCode({ note: 'why' });
		await send((d, e) => d.pin(e, name), form);
		await expect(send((d, e) => d.unpin(e, name), form)).rejects.toThrow(refused('code_spent'));
		const { backup } = await visit((d, e) => d.backup(e, name));
		expect(backup.pin).toMatchObject({ note: 'why' });
	});

	test('counts for the lockout, which only the long code lifts', async () => {
		const name = await start();
		const guess = () => send((d, e) => d.unpin(e, name), { code: '000000' });
		await expect(guess()).rejects.toThrow(refused('code_invalid'));
		await expect(guess()).rejects.toThrow(refused('throttled'));
		const { lockout } = await visit((d, e) => d.access(e));
		expect(lockout).toMatchObject({ maxWrong: MAX_WRONG, lockedUntil: null });
		expect(lockout.wrong).toHaveLength(1);
		const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
		await send((d, e) => d.lift(e), { code });
		expect((await visit((d, e) => d.access(e))).lockout.wrong).toEqual([]);
		expect(await logged('lift_lock')).toHaveLength(1);
	});

	test('marks for removal what nothing needs, once its name is typed', async () => {
		const [old, newest] = [await start(), await start()];
		const remove = async (name: string, typed = name) =>
			send((d, e) => d.remove(e, name), await withCode({ name: typed }));
		await expect(remove(old, newest)).rejects.toThrow(refused('name_differs'));
		await expect(remove(old)).rejects.toThrow(refused('backup_needed')); // the newest one rests on it
		await expect(remove(newest)).rejects.toThrow(refused('backup_kept'));
		const { backup } = await visit((d, e) => d.backup(e, old));
		expect(backup.dependants).toEqual([newest]);
	});
});

describe('a download', () => {
	test('is the file, and in the audit log before its first byte', async () => {
		const name = await start();
		const { backup } = await visit((d, e) => d.backup(e, name));
		const file = backup.volumes[0]?.key ?? '';
		const response = await send((d, e) => d.download(e, name), await withCode({ file }));
		const stored = await (await env.MY_BUCKET.get(file))?.bytes();
		expect(await response.bytes()).toEqual(stored);
		expect(await logged('fetch')).toMatchObject([{ backup: file, caller: { account: '1815' } }]);
	});

	test('does not happen where the audit log cannot be written', async () => {
		const name = await start();
		const file = `${name}.manifest.json`;
		const bindings = { MY_LOGS_BUCKET: { put: () => Promise.reject(new Error('no')) } };
		const asking = send((d, e) => d.download(e, name), await withCode({ file }), { bindings });
		await expect(asking).rejects.toThrow(refused('storage_error'));
		const marking = send((d, e) => d.pin(e, name), await withCode(), { bindings });
		await expect(marking).rejects.toThrow(refused('storage_error'));
		expect((await status()).shown?.holdings.pinned).toBe(0);
	});

	test('is of the backup itself', async () => {
		const [old, newest] = [await start(), await start()];
		for (const file of [`${old}.manifest.json`, 'keep/pins.json', '', 'lifeboat.lock']) {
			const asking = send((d, e) => d.download(e, newest), await withCode({ file }));
			await expect(asking).rejects.toThrow(refused('backup_not_found'));
		}
	});
});

describe('several databases', () => {
	const options: LifeboatOptions = { databases: { main: 'DB', stats: 'COPY' } };

	test('are listed, the worst first', async () => {
		await run(env.COPY, 'CREATE TABLE s (id INTEGER PRIMARY KEY)');
		const name = await start({ options });
		await send((d, e) => d.verify(e, name), {}, { options });
		const { databases, verdict, shown } = await status({ options });
		expect(databases.map((one) => [one.name, one.verdict.state])).toEqual([
			['stats', 'never'],
			['main', 'proven'],
		]);
		expect(verdict?.sentence).toContain('1 of 2 database needs attention');
		expect(shown).toBeNull();
		const path = '/backups?database=stats';
		await start({ options, path });
		expect((await status({ options, path })).shown?.backups).toHaveLength(1);
	});
});

test('shows what is missing where nothing is set up', async () => {
	const page = await status({ bindings: { TOTP_SECRET: '', MY_BUCKET: undefined } });
	expect(page).toMatchObject({ verdict: null, shown: null, isSetUp: false });
	expect(page.firstRun.filter(({ state }) => state === 'next')).toMatchObject([{ id: 'secret' }]);
});

test('the page of a run has what is under way, the newest backup, and what a next one is like', async () => {
	const page = () => visit((d, e) => d.run(e), { path: '/backups/run' });
	expect(await page()).toMatchObject({ run: null, newest: null, expected: null });
	const name = await start();
	const expected = { tables: 1, rows: 1 };
	expect(await page()).toMatchObject({ run: null, newest: { name }, expected });
	const going = `full_backup_${new Date().toISOString()}`;
	const lock = { name: going, until: Date.now() + 300_000 };
	await env.MY_BUCKET.put('lifeboat.lock', JSON.stringify(lock));
	const run = { name: going, state: 'running', expected };
	expect(await page()).toMatchObject({ run, newest: { name } });
});
