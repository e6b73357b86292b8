import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { tidyAuditLog } from '../../operations/index.ts';
import { readAuditLog, record } from '../../operations/audit-log.ts';
import { API, authorized, call, makeBackup } from '../../../../../tests/calls.ts';
import { reset } from '../../../../../tests/reset.ts';
import { GET as getFile } from './file.ts';
import { GET as getJournal } from './audit-log.ts';
import { GET } from './backups.ts';

// Old entries of the audit log are removed, whatever is called.

const DAY = 86_400_000;
const HOUR = DAY / 24;

/** The bucket as a Worker has it that has not tidied its audit log yet. */
let bucket: R2Bucket;
let lists: number;
/** Whether nothing is deleted, as if there were always more. */
let keeps: boolean;
let file: string | undefined;

beforeEach(async () => {
	await reset();
	[file] = (await makeBackup()).files;
	lists = 0;
	keeps = false;
	bucket = new Proxy(env.MY_BUCKET, {
		get(target, name: 'list' | 'delete') {
			if (name === 'list') lists++;
			if (name === 'delete' && keeps) return async () => {};
			return target[name].bind(target);
		},
	});
});

/** Records a call that was made some days ago. */
const recordAt = (days: number, now = Date.now()) =>
	record(env.MY_BUCKET, {
		time: new Date(now - days * DAY).toISOString(),
		operation: 'list',
		outcome: 'done',
		caller: { kind: 'code', address: '192.0.2.1' },
	});

/** How many entries are from more than a day ago. */
async function old(): Promise<number> {
	const { entries } = await readAuditLog(env.MY_BUCKET, { limit: 1000 });
	return entries.filter(({ time }) => Date.parse(time) < Date.now() - DAY).length;
}

const calls: Record<string, () => Promise<Response>> = {
	'a call without a code': () => call(GET, new Request(API), { MY_BUCKET: bucket }),
	'a list': async () => call(GET, await authorized(), { MY_BUCKET: bucket }),
	'a look at the audit log': async () =>
		call(getJournal, await authorized(), { MY_BUCKET: bucket }),
	'a fetch': async () =>
		call(getFile, await authorized({}, `${API}/${file}`), { MY_BUCKET: bucket }),
	'a call while the app lacks its secret': () =>
		call(GET, new Request(API), { MY_BUCKET: bucket, TOTP_SECRET: '' }),
};

test.for(Object.entries(calls))('%s removes entries that are too old', async ([, make]) => {
	await recordAt(91);
	await recordAt(400);
	await recordAt(89);
	await (await make()).arrayBuffer();
	await vi.waitFor(async () => expect(await old()).toBe(1));
});

test('a call at the address of an older deployment removes nothing', async () => {
	await recordAt(2);
	const asked = new Request('https://old.example/api/backup');
	const settings = { MY_BUCKET: bucket, BACKUP_JOURNAL_DAYS: '1' };
	expect((await call(GET, asked, settings)).status).toBe(403);
	expect([await old(), lists]).toEqual([1, 0]);
});

describe('the audit log', () => {
	const start = Date.now();
	const tidy = (after = 0, days = '1') =>
		tidyAuditLog({ MY_BUCKET: bucket, BACKUP_JOURNAL_DAYS: days }, () => start + after);

	test('is tidied once an hour', async () => {
		await recordAt(2, start);
		await tidy();
		expect([await old(), lists]).toEqual([0, 1]);
		await recordAt(2, start);
		await tidy(HOUR - 1);
		expect([await old(), lists]).toEqual([1, 1]);
		await tidy(HOUR);
		expect([await old(), lists]).toEqual([0, 2]);
	});

	test('is tidied again at once if more is left than one call may remove', async () => {
		keeps = true;
		await Promise.all(Array.from({ length: 1001 }, (_, i) => recordAt(2 + i / DAY, start)));
		await tidy();
		expect(lists).toBe(5);
		keeps = false;
		await tidy(1);
		expect(await old()).toBe(0);
	});

	test('is left alone while its setting makes no sense', async () => {
		const error = vi.spyOn(console, 'error').mockReturnValue();
		await recordAt(2, start);
		await tidy(0, 'x');
		expect([await old(), error.mock.calls.length]).toEqual([1, 1]);
		vi.restoreAllMocks();
	});
});
