import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { d1 } from '../../src/lib/server/backup/database.ts';
import { writeWhole } from '../../src/lib/server/backup/dump/whole.ts';
import { restoreInto } from '../../src/lib/server/backup/restore/apply.ts';
import { survey } from '../../src/lib/server/backup/restore/survey.ts';
import { indexes, type Index } from '../databases/indexes.ts';
import { settings } from '../databases/settings.ts';
import { identifier } from '../databases/sql.ts';
import { readIndex, rowsOrRefusal } from '../full-text-index.ts';
import { sleep, sourceOf } from '../memory.ts';
import { reset } from '../reset.ts';

// FTS5 tables without texts are searched after a restore as before, though their texts are others.

/** Restores DB into COPY. */
async function restore(): Promise<string[]> {
	const chunks: Uint8Array[] = [];
	const script = writeWhole(d1(env.DB), { title: ['Lifeboat full backup of a test'], sleep });
	let chunk = await script.next();
	while (!chunk.done) {
		chunks.push(chunk.value);
		chunk = await script.next();
	}
	const source = sourceOf(Buffer.concat(chunks));
	await restoreInto(d1(env.COPY), source, { survey: await survey(source), sleep });
	return chunk.value.warnings;
}

/** What is in the index, and what searches find, with the ranks that depend on FTS5's counts. */
async function read(database: D1Database, index: Index): Promise<unknown[]> {
	const { name, searches, isCounted } = index;
	const table = identifier(name);
	const { terms, averages, sizes } = await readIndex(database, name);
	const columns = isCounted ? 'rowid, round(rank, 9)' : 'rowid';
	const found = searches.map((search) => {
		const sql = `SELECT ${columns} FROM ${table} WHERE ${table} MATCH ${search} ORDER BY rowid`;
		return rowsOrRefusal(database, sql);
	});
	return [terms, isCounted ? averages : null, sizes, ...(await Promise.all(found))];
}

const random = settings(100);

test('searches find the same rows', random.test, async () => {
	await fc.assert(
		fc.asyncProperty(indexes(), async (index) => {
			const { name, statements, removals } = index;
			await reset();
			for (const sql of statements) await env.DB.prepare(sql).run();
			expect(await restore()).toEqual([]);
			expect(await read(env.COPY, index)).toEqual(await read(env.DB, index));
			for (const sql of removals) await env.COPY.prepare(sql).run();
			expect((await readIndex(env.COPY, name)).terms).toEqual([]);
		}),
		random.check,
	);
});
