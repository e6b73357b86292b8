import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { type Entry, record } from './audit-log.ts';
import { readAuditLog, auditLogBucket, pruneAuditLog } from './audit-log.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 25);
const bucket = env.MY_BUCKET;

beforeEach(reset);

function entry(milliseconds: number, changes: Partial<Entry> = {}): Entry {
	return {
		time: new Date(milliseconds).toISOString(),
		operation: 'backup',
		outcome: 'done',
		caller: { kind: 'code', address: '192.0.2.1' },
		...changes,
	};
}

describe('the audit log', () => {
	test('is read page by page, newest entry first', async () => {
		for (const i of [3, 1, 5, 2, 4]) await record(bucket, entry(NOW + i * 1000));
		const times: string[] = [];
		let before: string | null | undefined;
		while (before !== null) {
			const page = await readAuditLog(bucket, { limit: 2, ...(before && { before }) });
			times.push(...page.entries.map(({ time }) => time));
			before = page.before;
		}
		expect(times).toEqual([5, 4, 3, 2, 1].map((i) => new Date(NOW + i * 1000).toISOString()));
	});

	test('keeps all fields of an entry, also as a line of JSON', async () => {
		const whole = entry(NOW, {
			outcome: 'failed',
			code: 'snapshot_unstable',
			...{ status: 409, durationMs: 1234, rows: 5, bytes: 678 },
			backup: 'full_backup_2026-11-25T00:00:00.000Z',
			previousSecret: true,
		});
		await record(bucket, whole);
		expect((await readAuditLog(bucket, { limit: 10 })).entries).toEqual([whole]);
		const { objects } = await bucket.list({ prefix: 'journal/' });
		const text = await (await bucket.get(objects[0]?.key ?? ''))?.text();
		expect(text).toBe(`${JSON.stringify(whole)}\n`);
	});

	test('keeps all entries of the same millisecond, each once', async () => {
		await Promise.all(Array.from({ length: 20 }, () => record(bucket, entry(NOW))));
		expect((await readAuditLog(bucket, { limit: 50 })).entries).toHaveLength(20);
	});

	test('forgets entries after the given number of days', async () => {
		for (const days of [0, 1, 29, 31, 400]) await record(bucket, entry(NOW - days * DAY));
		await pruneAuditLog(bucket, NOW - 30 * DAY);
		const { entries } = await readAuditLog(bucket, { limit: 10 });
		expect(entries.map(({ time }) => Date.parse(time))).toEqual([NOW, NOW - DAY, NOW - 29 * DAY]);
	});

	test('forgets more entries than R2 removes in one call', async () => {
		const old = Array.from({ length: 1_005 }, (_, index) => entry(NOW - 40 * DAY - index));
		await Promise.all(old.map((one) => record(bucket, one)));
		await record(bucket, entry(NOW));
		await pruneAuditLog(bucket, NOW - 30 * DAY);
		expect((await bucket.list({ prefix: 'journal/' })).objects).toHaveLength(1);
	});

	test('does not show older entries, even if a lock rule keeps them', async () => {
		for (const days of [0, 10, 31, 32]) await record(bucket, entry(NOW - days * DAY));
		const since = NOW - 30 * DAY;
		const page = await readAuditLog(bucket, { limit: 3, since });
		expect(page.entries.map(({ time }) => Date.parse(time))).toEqual([NOW, NOW - 10 * DAY]);
		expect(page.before).toBeNull();
	});

	test('is stored in the log bucket if there is one', async () => {
		expect(auditLogBucket({ MY_BUCKET: bucket })).toBe(bucket);
		expect(auditLogBucket({ MY_BUCKET: bucket, MY_LOGS_BUCKET: env.MY_LOGS_BUCKET })).toBe(
			env.MY_LOGS_BUCKET,
		);
	});

	test('also goes to the console, and nothing fails if the bucket refuses it', async () => {
		const log = vi.spyOn(console, 'log').mockReturnValue();
		const error = vi.spyOn(console, 'error').mockReturnValue();
		const refusing = new Proxy(bucket, {
			get: () => () => Promise.reject(new Error('no')),
		});
		await record(refusing, entry(NOW));
		await record(undefined, entry(NOW));
		expect(log.mock.calls.map(([line]) => JSON.parse(String(line)))).toEqual([
			entry(NOW),
			entry(NOW),
		]);
		expect(error).toHaveBeenCalledOnce();
		vi.restoreAllMocks();
	});

	test('skips objects that are not entries', async () => {
		await bucket.put('journal/0000000000000-junk', 'junk');
		await record(bucket, entry(NOW));
		expect((await readAuditLog(bucket, { limit: 10 })).entries).toEqual([entry(NOW)]);
	});
});
