import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { run } from '../../../../../tests/backups.ts';
import { reset } from '../../../../../tests/reset.ts';
import { d1 } from '../database.ts';
import { readCatalog } from './catalog.ts';
import { Reader, SnapshotChanged } from './reader.ts';
import { requireUnchanged } from './unchanged.ts';

beforeEach(reset);

const DUMPED = [{ name: 't', rows: 1, sha256: '' }];

async function reading() {
	await run(env.DB, 'CREATE TABLE t (x)', 'INSERT INTO t VALUES (1)');
	const reader = new Reader(d1(env.DB), async () => {});
	return { reader, catalog: await readCatalog(reader.batch) };
}

test('a database that is still the same passes', async () => {
	const { reader, catalog } = await reading();
	await expect(requireUnchanged(reader, catalog, DUMPED)).resolves.toBeUndefined();
});

test('another schema is a change', async () => {
	const { reader, catalog } = await reading();
	await run(env.DB, 'CREATE INDEX i ON t (x)');
	await expect(requireUnchanged(reader, catalog, DUMPED)).rejects.toThrow(SnapshotChanged);
});

test('a table that had rows and is empty is a change, whatever the counter says', async () => {
	const { catalog } = await reading();
	await run(env.DB, 'DELETE FROM t');
	const later = new Reader(d1(env.DB), async () => {}); // has not seen the counter before
	await expect(requireUnchanged(later, catalog, DUMPED)).rejects.toThrow(SnapshotChanged);
	await expect(requireUnchanged(later, catalog, [])).resolves.toBeUndefined();
});
