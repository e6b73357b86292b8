import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { run } from '../../../../../tests/backups.ts';
import { Production, type ProductionOptions } from '../../../../../tests/production.ts';
import { d1 } from '../database.ts';
import { Reader, ResultTooLarge, SnapshotChanged } from './reader.ts';

beforeEach(async () => {
	await reset();
	await run(env.DB, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (0)`);
});

const READ = ['SELECT x,total_changes() AS changes FROM t'];

/** A reader of a database whose object has just started and answered once. */
async function reading(options: ProductionOptions = {}) {
	const database = new Production(env.DB, options);
	await database.reset();
	const reader = new Reader(d1(database.binding), async () => {});
	await reader.batch(READ);
	return { database, reader };
}

/** Another client writes, and the object restarts, so that the counter is what it was before. */
async function writeUnseen(database: Production): Promise<void> {
	await database.write('UPDATE t SET x = x + 1');
	await database.reset();
}

/** Fails the second call, after a write, with an error of D1 for an object that restarts. */
function secondCallLost(message: string): ProductionOptions {
	return {
		async before(call, database) {
			if (call !== 2) return;
			await writeUnseen(database);
			throw new Error(`D1_ERROR: ${message}`);
		},
	};
}

describe('a write after which the counter restarted', () => {
	test('is noticed by the bookmark when the call failed before', async () => {
		const { database, reader } = await reading(secondCallLost('Network connection lost.'));
		await expect(reader.batch(READ)).rejects.toThrow(SnapshotChanged);
		expect(database.calls).toBe(3);
	});

	test('is noticed when D1 itself retried the call', async () => {
		const { database, reader } = await reading({
			meta: (call) => (call === 2 ? { total_attempts: 2 } : {}),
		});
		await writeUnseen(database);
		await expect(reader.batch(READ)).rejects.toThrow(SnapshotChanged);
	});

	test('is noticed by the next call after one that ran out of memory', async () => {
		const message = 'D1 DB exceeded its memory limit and was reset.';
		const { reader } = await reading(secondCallLost(message));
		await expect(reader.batch(READ)).rejects.toThrow(ResultTooLarge);
		await expect(reader.batch(READ)).rejects.toThrow(SnapshotChanged);
	});
});

test('a call that failed without a write is retried', async () => {
	const { database, reader } = await reading({
		before(call) {
			if (call === 2) throw new Error('D1_ERROR: Network connection lost.');
		},
	});
	await reader.batch(READ);
	expect(database.calls).toBe(3);
});

test('a value too long for SQLite does not restart the object or need a bookmark', async () => {
	const { reader } = await reading({
		readsMoveBookmarks: true,
		before(call) {
			if (call === 2) throw new Error('D1_ERROR: string or blob too big: SQLITE_TOOBIG');
		},
	});
	await expect(reader.batch(READ)).rejects.toThrow(ResultTooLarge);
	await expect(reader.batch(READ)).resolves.toHaveLength(1);
});

test('a different file size means a different state', async () => {
	const { reader } = await reading({
		readsMoveBookmarks: true,
		meta: (call) => ({ size_after: call === 3 ? 12_288 : 8_192 }),
	});
	await reader.batch(READ);
	await expect(reader.batch(READ)).rejects.toThrow(SnapshotChanged);
});
