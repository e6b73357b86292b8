import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { keepDatabase } from '../src/cli/keep.ts';
import { Progress } from '../src/cli/progress.ts';
import type { SqlDatabase } from '../src/lib/server/backup/database.ts';

const ROWS_PER_MB = 1000;
const MB_PER_STATEMENT = 10;

/** Rows of about 1 kB: an integer, a real, text, JSON, a blob, NULLs, and two indexes. */
export async function seed(persistTo: string, megabytes: number): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	await database.batch([
		`CREATE TABLE bench (id INTEGER PRIMARY KEY, n INTEGER, r REAL, t TEXT, j TEXT, b BLOB, x)`,
		`CREATE INDEX bench_n ON bench (n)`,
		`CREATE INDEX bench_r ON bench (r)`,
	]);
	for (let at = 0; at < megabytes; at += MB_PER_STATEMENT) {
		const rows = Math.min(MB_PER_STATEMENT, megabytes - at) * ROWS_PER_MB;
		await database.batch([
			`WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ${rows})
			INSERT INTO bench (n, r, t, j, b, x) SELECT abs(random()) % 1000000, abs(random()) % 1000000 / 100.0,
			hex(randomblob(160)) || ' it''s text, naïve and plain', json_object('id', n, 'tags', json_array('a', 'b'), 'note', hex(randomblob(120))),
			randomblob(300), NULL FROM i`,
		]);
	}
}

/** Writes the seeded database into an SQL file, as a backup does. */
export async function dumpTo(path: string, persistTo: string): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const signal = new AbortController().signal;
	await keepDatabase(database, path, { signal, progress: new Progress() });
}

/** A few sums over all that was seeded: what two databases have in common when they are the same. */
export async function fingerprint(persistTo: string): Promise<string> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	return JSON.stringify(await sums(database));
}

async function sums(database: SqlDatabase): Promise<unknown> {
	const { results } = await database.batch([
		`SELECT count(*) AS rows, sum(id) AS ids, sum(n) AS n, total(r) AS r, sum(length(t)) AS t,
			sum(length(j)) AS j, sum(length(b)) AS b, count(x) AS x FROM bench`,
		`SELECT count(*) AS indexes FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'bench'`,
	]);
	return results.map((result) => result.results);
}
