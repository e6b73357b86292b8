import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { run } from '../backups.ts';
import { chance } from '../databases/draw.ts';
import { namesFor, plain, print, remarked, shortSchema } from '../databases/remarks.ts';
import { settings } from '../databases/settings.ts';
import { sleep } from '../memory.ts';
import { reset } from '../reset.ts';
import { d1 } from '../../src/lib/server/backup/database.ts';
import { readCatalog } from '../../src/lib/server/backup/dump/catalog.ts';
import { inspect } from '../../src/lib/server/backup/dump/inspect.ts';
import { Reader } from '../../src/lib/server/backup/dump/reader.ts';

// The property: remarks, quotes, case and white space in definitions change nothing in what Lifeboat
// knows about a database.

beforeEach(reset);

const KEYS =
	'teams id slug n g members team k gone titles search by_slug changed places words'.split(' ');

const TEAMS = `INSERT INTO <teams> ( <id> , <slug> , <n> ) VALUES ( 1 , 'red' , 1 ) , ( 2 , 'blue' , 2 )`;
const INDEX = `INSERT INTO <search> ( rowid , <slug> ) SELECT {id} , {slug} FROM <teams> WHERE {n} = 1`;

/** The statements of a database, printed in two ways. Rows come before what would refuse them. */
const databases = fc.gen().map((draw) => {
	const names = namesFor(draw, KEYS);
	const [teams = '', ...others] = shortSchema(draw);
	const short = [teams, TEAMS, ...others, ...(chance(draw, 70) ? [INDEX] : [])];
	return {
		plainly: short.map((text) => print(text, names, plain)),
		oddly: short.map((text) => print(text, names, remarked(draw))),
	};
});

/** All that a dump finds out, without the text of the definitions. */
async function knowledgeOf(database: D1Database): Promise<unknown> {
	const reader = new Reader(d1(database), sleep);
	const catalog = await readCatalog(reader.batch);
	const { inspection, answers } = await inspect(reader, catalog);
	return {
		...catalog,
		sha256: '',
		identity: '',
		objects: catalog.objects.map((object) => ({ ...object, sql: '' })),
		warnings: [],
		inspection,
		answers: answers.map((answer) => ({ ...answer, changes: null })),
	};
}

const random = settings(300);

test('remarks, quotes, case and white space do not matter', random.test, async () => {
	await fc.assert(
		fc
			.asyncProperty(databases, async ({ plainly, oddly }) => {
				await run(env.DB, ...plainly);
				await run(env.COPY, ...oddly);
				expect(await knowledgeOf(env.COPY)).toEqual(await knowledgeOf(env.DB));
			})
			.afterEach(reset),
		random.check,
	);
});
