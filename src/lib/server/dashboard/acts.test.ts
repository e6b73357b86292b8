import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import { engineAt, HOUR, store } from '../../../../tests/retained.ts';
import { reset } from '../../../../tests/reset.ts';
import { typedForm, visitTo } from '../../../../tests/visits.ts';
import { manifestKey, volumeKey } from '../backup/format/names.ts';
import { changeMarks, GRACE_MS } from '../backup/keep/marks.ts';
import { pin as pinNow } from '../backup/keep/pins.ts';
import { backupKeys } from '../backup/settings.ts';
import { readAuditLog } from '../operations/audit-log.ts';
import * as acts from './acts.ts';
import { download } from './download.ts';
import type { Visit } from './visit.ts';

// What people do with a code: the audit log has it before it happens, or it does not happen.

const DAY = 24 * HOUR;
const SETTINGS = { BACKUP_KEEP_LAST: '1', BACKUP_KEEP_DAILY: '', BACKUP_KEEP_MIN_DAYS: '0' };
const keys = backupKeys({ TOTP_SECRET: SECRET });
const [signer = null] = keys;
const engine = engineAt(Date.now(), { keys, signer });

/** Names of backups, newest first. */
let names: string[] = [];
const nth = (index: number) => names[index] ?? '';

beforeEach(async () => {
	await reset();
	const now = Date.now();
	names = [];
	for (let day = 0; day < 7; day++) names.push(await store(now - 2 * HOUR - day * DAY, { signer }));
	await pinNow(engine, nth(3), 'why');
	await changeMarks(engine, () => ({
		[nth(4)]: { by: 'request', at: now - DAY },
		[nth(5)]: { by: 'request', at: now - GRACE_MS - DAY },
	}));
	const wrong = [{ at: now, network: '192.0.2.1/32' }];
	await env.MY_BUCKET.put('access/guesses.json', JSON.stringify({ wrong, right: [] }));
});

interface Act {
	operation: string;
	/** What the audit log has first. */
	first?: string;
	/** The first object that it changes; a download changes none. */
	changes: () => string[];
	fields?: () => Record<string, string>;
	run(visit: Visit, form: FormData): Promise<unknown>;
}

const ACTS: Act[] = [
	{
		operation: 'pin',
		changes: () => ['keep/pins.json'],
		run: (visit, form) => acts.pin(visit, nth(1), form),
	},
	{
		operation: 'unpin',
		changes: () => ['keep/pins.json'],
		run: (visit, form) => acts.unpin(visit, nth(3), form),
	},
	{
		operation: 'unmark',
		changes: () => ['keep/marks.json'],
		run: (visit, form) => acts.unmark(visit, nth(4), form),
	},
	{
		operation: 'delete',
		first: 'mark',
		changes: () => ['keep/marks.json'],
		fields: () => ({ name: nth(6) }),
		run: (visit, form) => acts.remove(visit, nth(6), form),
	},
	{
		operation: 'prune',
		changes: () => ['keep/marks.json', manifestKey(nth(5))],
		run: acts.prune,
	},
	{ operation: 'lift_lock', changes: () => ['access/guesses.json'], run: acts.lift },
	{
		operation: 'fetch',
		changes: () => [],
		fields: () => ({ file: volumeKey(nth(0), 1) }),
		run: async (visit, form) => (await download(visit, nth(0), form)).text(),
	},
];

/** A binding that calls `before` with the key of each object that is about to be written or removed. */
function observed(bucket: R2Bucket, before: (keys: string[]) => void): R2Bucket {
	return new Proxy(bucket, {
		get(target, name: keyof R2Bucket) {
			const method = target[name] as (...all: unknown[]) => unknown;
			return async (...all: unknown[]) => {
				if (name === 'put' || name === 'delete') before([all[0] as string].flat());
				return method.apply(target, all);
			};
		},
	});
}

/** Every object that people can change, with its etag. */
async function contents(): Promise<string[]> {
	const { objects } = await env.MY_BUCKET.list();
	const lasting = objects.filter(({ key }) => !/^(access\/spent|journal|operations)\//.test(key));
	return lasting.map(({ key, etag }) => `${key} ${etag}`);
}

describe.each(ACTS)('$operation', ({ operation, first = operation, run, ...act }) => {
	test('is in the audit log before it happens', async () => {
		const events: string[] = [];
		const MY_LOGS_BUCKET = observed(env.MY_LOGS_BUCKET, () => events.push('log'));
		const MY_BUCKET = observed(env.MY_BUCKET, (keys) => events.push(...keys));
		const { visit } = visitTo('/backups', { ...SETTINGS, MY_BUCKET, MY_LOGS_BUCKET });
		await run(visit, await typedForm(act.fields?.()));
		const changes = act.changes();
		expect(events).toEqual(expect.arrayContaining(changes));
		const at = changes.map((key) => events.indexOf(key));
		expect(Math.min(...at)).toBeGreaterThan(events.indexOf('log'));
		const { entries } = await readAuditLog(env.MY_LOGS_BUCKET, { limit: 100, since: 0 });
		expect(entries.at(-1)).toMatchObject({
			...{ operation: first, outcome: 'done' },
			caller: { kind: 'administrator', account: '1815' },
		});
		expect(entries.filter((entry) => entry.operation === operation)).toHaveLength(1);
	});

	test('does not happen where that cannot be written', async () => {
		const before = await contents();
		const put = () => Promise.reject(new Error('R2 is away.'));
		const MY_LOGS_BUCKET = new Proxy(env.MY_LOGS_BUCKET, {
			get: (target, name: keyof R2Bucket) => (name === 'put' ? put : target[name].bind(target)),
		});
		const { visit } = visitTo('/backups', { ...SETTINGS, MY_LOGS_BUCKET });
		await expect(run(visit, await typedForm(act.fields?.()))).rejects.toMatchObject({
			code: 'storage_error',
		});
		expect(await contents()).toEqual(before);
	});

	test('does not happen without a code, and is refused in the audit log', async () => {
		const before = await contents();
		const form = await typedForm(act.fields?.());
		form.delete('code');
		const { visit } = visitTo('/backups', SETTINGS);
		await expect(run(visit, form)).rejects.toMatchObject({
			code: expect.stringMatching(/^(code_missing|long_code_needed)$/),
		});
		expect(await contents()).toEqual(before);
		const { entries } = await readAuditLog(env.MY_BUCKET, { limit: 100, since: 0 });
		expect(entries).toMatchObject([{ operation, outcome: 'refused' }]);
	});
});
