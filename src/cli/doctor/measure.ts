import { randomUUID } from 'node:crypto';
import type { SqlDatabase, SqlStatement } from '../../lib/server/backup/database.ts';
import type { Sleep } from '../../lib/server/retry.ts';
import { isLocal, writesOfLocalBookmarks } from '../../lib/server/backup/dump/reader.ts';
import { LifeboatError } from '../../lib/server/errors.ts';

/** Reads right after each other. */
const READS = 5;

/** One thing that was measured. */
export interface Finding {
	what: string;
	/** What was seen. */
	result: string;
	/** What follows from that for backups. */
	means: string;
	/** False where backups rely on another result. */
	good: boolean;
}

/** What one call of a database tells about its state. */
interface Observation {
	/** `total_changes()`, without what local bookmarks add to it. */
	changes: number;
	bookmark: string | null;
	/** Bytes of the file; null where D1 does not say. */
	bytes: number | null;
	/** Rows that each statement has read; null where D1 does not say. */
	rowsRead: (number | null)[];
}

/** The counter comes last: it has to tell what the statements before it have done. */
const COUNTER = 'SELECT total_changes() AS changes';
const READ = ['SELECT count(*) AS n FROM sqlite_schema', 'SELECT 1 AS one'];

/**
 * Measures what a backup relies on while it reads, and changes nothing. Between its last two reads it
 * waits for `waitMs`. Throws what the database throws.
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
 * Measures what a write moves, in a table that it makes for itself and drops again, whatever happens.
 * Throws what the database throws, and `table_left` (500).
 */
export async function measureWrites(database: SqlDatabase): Promise<Finding[]> {
	const table = `lifeboat_doctor_${randomUUID().slice(0, 8)}`; // nobody else has this one
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

/** Throws `table_left` (500), which names the table: a backup would carry it. */
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

async function observe(database: SqlDatabase, statements: SqlStatement[]): Promise<Observation> {
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
		what: 'counter of changes, under reads',
		result: good ? 'stands still' : 'moves',
		means: good
			? 'a backup sees by it that nobody has written between two of its calls'
			: 'somebody is writing, so try again when nobody does; if it moves then too, a backup that takes several calls cannot end',
		good,
	};
}

function bookmarkUnderReads(seen: Observation[]): Finding {
	const what = 'bookmark, under reads';
	const [bookmark = null] = seen.map((observation) => observation.bookmark);
	if (bookmark === null || isLocal(bookmark)) {
		const means = 'this is so in local development: only the counter and the schema are compared';
		return { what, result: bookmark === null ? 'none' : 'counts reads', means, good: true };
	}
	if (isSame(seen.map((observation) => observation.bookmark))) {
		const means = 'a backup sees a write by it even if the counter has begun again at 0';
		return { what, result: 'stands still', means, good: true };
	}
	const means =
		'a backup starts over behind a failed call, and behind a pause of more than a minute; the counter and the size show all other writes';
	return { what, result: 'moves', means, good: true };
}

/** Only where reads alone do not move it. */
function bookmarkWhileWaiting(seen: Observation[], waitMs: number): Finding[] {
	const [first, second, later] = seen.map(({ bookmark }) => bookmark);
	if (first === null || first !== second) return [];
	const stands = later === second;
	return [
		{
			what: `bookmark, after ${waitMs / 1000} s`,
			result: stands ? 'the same' : 'another one',
			means: stands
				? 'a backup may take its time'
				: 'unless somebody has written, it moves by itself: a backup then starts over four times, and the fifth attempt goes by counter and size',
			good: stands,
		},
	];
}

function sizeUnderReads(seen: Observation[]): Finding {
	const what = 'size of the file, under reads';
	const [first] = seen;
	if (first?.bytes === null) {
		return { what, result: 'not told', means: 'it is not compared', good: true };
	}
	const same = isSame(seen.map(({ bytes }) => bytes));
	const local = isLocal(first?.bookmark ?? null);
	const means = local
		? 'it is not compared in local development'
		: same
			? 'a backup takes another size for a write'
			: 'somebody is writing, so try again when nobody does; if it moves then too, a backup that takes several calls cannot end';
	return { what, result: same ? 'stands still' : 'moves', means, good: same || local };
}

function statementsOfBatch({ rowsRead }: Observation): Finding {
	return {
		what: `a batch of ${rowsRead.length} statements`,
		result: `rows read: ${rowsRead.map((rows) => rows ?? 'not told').join(', ')}`,
		means:
			'D1 does not tell whether it counts as one query or as many; Lifeboat counts each statement, to be safe',
		good: true,
	};
}

function counterUnderWrite(before: Observation, after: Observation): Finding {
	const moved = after.changes - before.changes;
	return {
		what: 'counter of changes, after a new row',
		result: moved === 0 ? 'the same' : `${moved} more`,
		means: moved > 0 ? 'a backup sees the write' : 'a backup may miss a write',
		good: moved > 0,
	};
}

function bookmarkUnder(write: string, before: Observation, after: Observation): Finding {
	const what = `bookmark, after ${write}`;
	if (before.bookmark === null || isLocal(before.bookmark)) {
		const means = 'local bookmarks move with every call, so they do not show a write';
		return { what, result: 'tells nothing here', means, good: true };
	}
	const moved = before.bookmark !== after.bookmark;
	return {
		what,
		result: moved ? 'another one' : 'the same',
		means: moved ? 'a backup sees the write' : 'the bookmark does not show this write',
		good: moved,
	};
}

function sizeUnderTable(before: Observation, after: Observation): Finding {
	const bytes = after.bytes === null || before.bytes === null ? null : after.bytes - before.bytes;
	return {
		what: 'size of the file, after a new table',
		result: bytes === null ? 'not told' : bytes === 0 ? 'the same' : `${bytes} bytes more`,
		means: 'a write may leave it as it is: it is compared beside the others',
		good: true,
	};
}

function isSame(values: unknown[]): boolean {
	return values.every((value) => value === values[0]);
}
