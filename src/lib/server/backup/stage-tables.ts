import { retrying, type SqlDatabase } from './database.ts';
import { LifeboatError, messageOf } from '../errors.ts';
import type { Sleep } from '../retry.ts';
import { quoteText, STAGE, STAGE_VALUES } from './sql.ts';

/*
 * A stage: two tables in the database that is backed up, which hold all its pages as one transaction
 * has printed them, to be read at leisure. They are dropped at the end of the backup, by whichever
 * backup finds them, and when somebody asks for the health of the backups.
 */

/**
 * A page each, by number, of the table with this place in the catalog. `page` has the lengths of the
 * rows, a line end, and the rows. Number 0 has the stage's owner instead.
 */
const PAGES = `CREATE TABLE ${STAGE} (seq INTEGER PRIMARY KEY, tbl INTEGER, page TEXT)`;
/** The values of rows that may be too long for a page: the n-th such row of the table. */
const VALUES = `CREATE TABLE ${STAGE_VALUES} (tbl INTEGER, n INTEGER, col INTEGER, value, PRIMARY KEY (tbl, n, col)) WITHOUT ROWID`;

/** The tables of a stage, with their exact definitions: others of these names are not ours. */
export const STAGE_TABLES = [
	{ name: STAGE, sql: PAGES },
	{ name: STAGE_VALUES, sql: VALUES },
];

/** Whether an object is one of a stage's tables. */
export function isOfStage({
	type,
	name,
	sql,
}: {
	type: string;
	name: string;
	sql: string;
}): boolean {
	return type === 'table' && STAGE_TABLES.some((table) => table.name === name && table.sql === sql);
}

/** The opposite of {@link isOfStage}, as an SQL condition on columns of `sqlite_schema AS m`. */
export const NOT_OF_STAGE = STAGE_TABLES.map(
	({ name, sql }) => `NOT (m.name = ${quoteText(name)} AND m.sql = ${quoteText(sql)})`,
).join(' AND ');

/** An expression that makes SQLite fail with `integer overflow`. */
const FAIL = 'abs(-9223372036854775807-1)';
const NAMES = STAGE_TABLES.map(({ name }) => quoteText(name)).join(',');
/** Fails if an object of one of these names is somebody else's. */
const REQUIRE_OURS = `SELECT iif(EXISTS(SELECT 1 FROM sqlite_schema m WHERE lower(m.name) IN (${NAMES}) AND ${NOT_OF_STAGE}),${FAIL},1)`;
const HAS_STAGE = `SELECT count(*) AS n,ifnull(max(m.name = ${quoteText(STAGE)}),0) AS owned FROM sqlite_schema m WHERE m.type = 'table' AND NOT (${NOT_OF_STAGE})`;
/** The owner of the stage: its backup's name, a space, and the number of the step that made it. */
export const OWNER = `SELECT page AS owner FROM ${STAGE} WHERE seq = 0`;

/** Drops whatever has these names, which has to be ours. */
export const DROP_STAGE = STAGE_TABLES.map(({ name }) => `DROP TABLE IF EXISTS ${name}`);

/** Statements that make an empty stage, after the last one is dropped. */
export function createStage(owner: string): string[] {
	return [
		REQUIRE_OURS,
		...DROP_STAGE,
		...STAGE_TABLES.map(({ sql }) => sql),
		`INSERT INTO ${STAGE} (seq, page) VALUES (0, ${quoteText(owner)})`,
	];
}

/** The owner of a stage that a step of a backup makes: unique, since no two steps have one number. */
export function stageOwner(backup: string, tries: number): string {
	return `${backup} ${tries}`;
}

/**
 * The name of the backup whose stage is in the database; '' if it is unknown, null if there is no
 * stage. Throws what the database throws.
 */
export async function findStage(database: SqlDatabase, sleep: Sleep): Promise<string | null> {
	const { results } = await retrying(() => database.batch([HAS_STAGE]), sleep);
	const found = results[0]?.results[0];
	if (!found?.['n']) return null;
	if (found['owned'] !== 1) return '';
	try {
		const owners = await retrying(() => database.batch([OWNER]), sleep);
		return String(owners.results[0]?.results[0]?.['owner'] ?? '').replace(/ \d+$/, '');
	} catch (error) {
		if (isMissing(error)) return null; // its backup has just ended
		throw error;
	}
}

/**
 * Drops the stage if there is one, or only if it is that of this backup. Tables of these names that
 * are not Lifeboat's stay. Throws what the database throws.
 */
export async function dropStage(
	database: SqlDatabase,
	sleep: Sleep,
	backup?: string,
): Promise<void> {
	const owner = await findStage(database, sleep);
	if (owner === null || (backup !== undefined && owner !== backup)) return;
	const guard =
		owner === '' ? [] : [`SELECT iif(instr((${OWNER}),${quoteText(`${owner} `)})=1,1,${FAIL})`];
	try {
		await retrying(() => database.batch([...guard, REQUIRE_OURS, ...DROP_STAGE]), sleep);
	} catch (error) {
		// Another backup has made its own stage meanwhile, or has dropped this one.
		if (!isRefusal(error) && !isMissing(error)) throw error;
	}
}

/**
 * Runs the transaction that makes a stage. Throws `stage_name_taken` (409) if a table of that name is
 * somebody else's, and what the work throws.
 */
export async function unlessTaken<T>(work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		throw isRefusal(error) ? nameTaken(error) : error;
	}
}

function isRefusal(error: unknown): boolean {
	return messageOf(error).includes('integer overflow');
}

function isMissing(error: unknown): boolean {
	return messageOf(error).includes(`no such table: ${STAGE}`);
}

function nameTaken(cause: unknown): LifeboatError {
	return new LifeboatError(
		`The database has an object named ${STAGE} or ${STAGE_VALUES} that is not Lifeboat's.`,
		{
			code: 'stage_name_taken',
			status: 409,
			hint: 'Nothing was changed. Rename that object: a database in use is staged in tables of these names. Or set BACKUP_STAGE_MAX_MB to 0.',
			cause,
		},
	);
}
