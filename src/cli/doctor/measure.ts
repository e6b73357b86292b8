import { randomUUID } from 'node:crypto';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import type { Sleep } from '../../lib/server/retry.ts';
import { isLocal, writesOfLocalBookmarks } from '../../lib/server/backup/dump/reader.ts';
import { LifeboatError } from '../../lib/server/errors.ts';

/** Reads without a pause between them. */
const READS = 5;

/** One measurement. */
export interface Finding {
	what: string;
	/** What was observed. */
	result: string;
	/** What it means for backups. */
	means: string;
	/** False if backups rely on another result. */
	good: boolean;
}

/** The state of a database, as one call shows it. */
interface Observation {
	/** `total_changes()`, without the writes of local bookmarks. */
	changes: number;
	bookmark: string | null;
	/** Bytes of the file; null if D1 does not report them. */
	bytes: number | null;
	/** Rows that each statement read; null if D1 does not report them. */
	rowsRead: (number | null)[];
}

/** It runs last, so that it counts the statements before it. */
const COUNTER = 'SELECT total_changes() AS changes';
const READ = ['SELECT count(*) AS n FROM sqlite_schema', 'SELECT 1 AS one'];

/**
 * Measures what a backup relies on while it reads, without changing anything. It waits for `waitMs`
 * before the last read. Throws what the database throws.
 */
export async function measureReads(
	database: SqlDatabase,
	{ waitMs, sleep }: { waitMs: number; sleep: Sleep },
): Promise<Finding[]> {
	const seen: Observation[] = [];
	for (let read = 0; read < READS; read++) seen.push(await observe(database, READ));
	await sleep(waitMs);
	const later = await observe(database, READ);
	return [
		counterUnderReads([...seen, later]),
		bookmarkUnderReads(seen),
		...bookmarkWhileWaiting([...seen.slice(-2), later], waitMs),
		sizeUnderReads([...seen, later]),
		statementsOfBatch(later),
	];
}

/**
 * Measures what a write changes, in a table that it makes for itself and always drops. Throws what the
 * database throws, and `table_left` (500).
 */
export async function measureWrites(database: SqlDatabase): Promise<Finding[]> {
	const table = `lifeboat_doctor_${randomUUID().slice(0, 8)}`; // a name that nothing else uses
	try {
		const before = await observe(database, []);
		const created = await observe(database, [`CREATE TABLE ${table} (x)`]);
		const written = await observe(database, [`INSERT INTO ${table} VALUES (1)`]);
		return [
			counterUnderWrite(created, written),
			bookmarkUnder('a new table', before, created),
			bookmarkUnder('a new row', created, written),
			sizeUnderTable(before, created),
		];
	} finally {
		await drop(database, table);
	}
}

/** Throws `table_left` (500), which names the table, because backups would contain it. */
async function drop(database: SqlDatabase, table: string): Promise<void> {
	try {
		await database.batch([`DROP TABLE IF EXISTS ${table}`]);
	} catch (cause) {
		throw new LifeboatError(`The table ${table}, made to measure writes, could not be dropped.`, {
			code: 'table_left',
			status: 500,
			hint: `Drop it: npx wrangler d1 execute NAME --command 'DROP TABLE IF EXISTS ${table}'`,
			cause,
		});
	}
}

async function observe(database: SqlDatabase, statements: string[]): Promise<Observation> {
	const { results, bookmark } = await database.batch([...statements, COUNTER]);
	const last = results.at(-1);
	return {
		changes: Number(last?.results[0]?.['changes']) - writesOfLocalBookmarks(bookmark),
		bookmark,
		bytes: last?.meta.size_after ?? null,
		rowsRead: results.map(({ meta }) => meta.rows_read ?? null),
	};
}

function counterUnderReads(seen: Observation[]): Finding {
	const good = isSame(seen.map(({ changes }) => changes));
	return {
		what: 'change counter, during reads',
		result: good ? 'stands still' : 'moves',
		means: good
			? 'a backup detects by it that something wrote between two of its calls'
			: 'something is writing: try again when nothing does; if it still moves, a backup in several calls cannot finish',
		good,
	};
}

function bookmarkUnderReads(seen: Observation[]): Finding {
	const what = 'bookmark, during reads';
	const [bookmark = null] = seen.map((observation) => observation.bookmark);
	if (bookmark === null || isLocal(bookmark)) {
		const means =
			'normal in local development: backups compare only the counter and the schema there';
		return { what, result: bookmark === null ? 'none' : 'counts reads', means, good: true };
	}
	if (isSame(seen.map((observation) => observation.bookmark))) {
		const means = 'a backup detects a write by it even if the counter was reset to 0';
		return { what, result: 'stands still', means, good: true };
	}
	const means =
		'a backup starts over after a failed call, and after a pause of more than a minute; the counter and the size show all other writes';
	return { what, result: 'moves', means, good: true };
}

/** Measured only if reads alone do not move the bookmark. */
function bookmarkWhileWaiting(seen: Observation[], waitMs: number): Finding[] {
	const [first, second, later] = seen.map(({ bookmark }) => bookmark);
	if (first === null || first !== second) return [];
	const stands = later === second;
	return [
		{
			what: `bookmark, after ${waitMs / 1000} s`,
			result: stands ? 'the same' : 'different',
			means: stands
				? 'a backup may take its time'
				: 'unless something wrote, it moves by itself: a backup starts over four times, and its fifth attempt relies on counter and size',
			good: stands,
		},
	];
}

function sizeUnderReads(seen: Observation[]): Finding {
	const what = 'size of the file, during reads';
	const [first] = seen;
	if (first?.bytes === null) {
		return { what, result: 'not reported', means: 'backups do not compare it', good: true };
	}
	const same = isSame(seen.map(({ bytes }) => bytes));
	const local = isLocal(first?.bookmark ?? null);
	const means = local
		? 'backups do not compare it in local development'
		: same
			? 'a backup takes a different size for a write'
			: 'something is writing: try again when nothing does; if it still moves, a backup in several calls cannot finish';
	return { what, result: same ? 'stands still' : 'moves', means, good: same || local };
}

function statementsOfBatch({ rowsRead }: Observation): Finding {
	return {
		what: `a batch of ${rowsRead.length} statements`,
		result: `rows read: ${rowsRead.map((rows) => rows ?? 'not reported').join(', ')}`,
		means:
			'D1 does not report whether this counts as one query or several; Lifeboat counts every statement, to be safe',
		good: true,
	};
}

function counterUnderWrite(before: Observation, after: Observation): Finding {
	const moved = after.changes - before.changes;
	return {
		what: 'change counter, after a new row',
		result: moved === 0 ? 'the same' : `${moved} more`,
		means: moved > 0 ? 'a backup detects the write' : 'a backup may miss a write',
		good: moved > 0,
	};
}

function bookmarkUnder(write: string, before: Observation, after: Observation): Finding {
	const what = `bookmark, after ${write}`;
	if (before.bookmark === null || isLocal(before.bookmark)) {
		const means = 'local bookmarks change with every call, so they do not show a write';
		return { what, result: 'means nothing here', means, good: true };
	}
	const moved = before.bookmark !== after.bookmark;
	return {
		what,
		result: moved ? 'different' : 'the same',
		means: moved ? 'a backup detects the write' : 'the bookmark does not show this write',
		good: moved,
	};
}

function sizeUnderTable(before: Observation, after: Observation): Finding {
	const bytes = after.bytes === null || before.bytes === null ? null : after.bytes - before.bytes;
	return {
		what: 'size of the file, after a new table',
		result: bytes === null ? 'not reported' : bytes === 0 ? 'the same' : `${bytes} bytes more`,
		means: 'a write may leave it unchanged: backups compare it in addition to the others',
		good: true,
	};
}

function isSame(values: unknown[]): boolean {
	return values.every((value) => value === values[0]);
}
