import { LifeboatError } from '../../errors.ts';
import type { Row, SqlDatabase, SqlStatement } from '../database.ts';
import { type RestoreOptions, type RestoreSummary, whileClaimed } from './apply.ts';
import type { Claim } from './claim.ts';
import { guardTriggers, readContents, readReferences } from './contents.ts';
import { type Head, readHead } from './parse.ts';
import type { SqlSource } from './source.ts';
import { dropped, fitsStage, putBack, type Stage, Staging } from './staging.ts';
import { isFullTextCommand } from './survey.ts';
import { SEQUENCE, foldCase, notOfD1, quoteName, quoteText } from '../sql.ts';
import { readStatements, type Statement } from './statements.ts';
import { type Step, Steps } from './transactions.ts';

/** How Lifeboat writes of the table that holds the pieces of long values while a file is restored. */
const OF_PIECES = /^((?:CREATE|DROP) TABLE |INSERT INTO |DELETE FROM )"(lifeboat_scratch_*)"(.*)$/s;
/** How it writes a long value. No text in a row looks like this: its quotes are doubled. */
const JOINED =
	/(\(SELECT CAST\(group_concat\(value,''\) AS (?:TEXT|BLOB)\) FROM )"lifeboat_scratch_*"( WHERE id BETWEEN )/g;

/** The full-text tables with no rows of their own (SQLite: FTS5, "External Content", "Contentless"). */
const NO_OWN_CONTENT = /[(,]\s*content\s*=/i;
/** Those of them that take their contents from elsewhere. */
const EXTERNAL_CONTENT = /[(,]\s*content\s*=\s*(?!''|""|``|\[\])[^\s,)]/i;

const SCHEMA = `SELECT type, name, sql FROM sqlite_schema
	WHERE sql IS NOT NULL AND ${notOfD1('tbl_name')} ORDER BY rowid`;

/** What a restore of some tables is told beside. */
export interface TablesOptions extends RestoreOptions {
	/** Has the rows looked at where they are put aside, before anything is changed. */
	inspect?(stages: Stage[]): Promise<void>;
}

/**
 * Puts the rows of some tables back as a file has them, in a database that is in use. All other
 * rows stay as they are: no trigger fires, and what a foreign key would delete along with a row is
 * kept. Tables that are gone are made again, with their indexes and triggers. The rows change in one
 * transaction at the end; what fails before leaves them as they were.
 *
 * Throws LifeboatError: `table_unknown` (400) for a name that the file does not have,
 * `restore_running` and `name_taken` (409), `restore_refused` (422), also where rows of other tables
 * point at rows that the file lacks, `table_too_wide` (422), and what {@link readStatements} and
 * `inspect` throw.
 */
export async function restoreTables(
	database: SqlDatabase,
	source: SqlSource,
	names: string[],
	options: TablesOptions,
): Promise<RestoreSummary> {
	const { survey } = options;
	const tables = names.map((name) => knownName(survey.tableNames, name));
	return whileClaimed(database, options, 'stay', async (claim) => {
		const restore = new TablesRestore(database, claim, tables, options);
		await restore.collect(source);
		await restore.swap();
		return { mode: 'batches', statements: survey.statements, bytes: survey.bytes };
	});
}

function knownName(known: string[], name: string): string {
	const found = known.find((candidate) => foldCase(candidate) === foldCase(name));
	if (found !== undefined) return found;
	throw new LifeboatError(`The backup has no table ${JSON.stringify(name)}.`, {
		code: 'table_unknown',
		status: 400,
		hint: `It has: ${known.join(', ')}.`,
	});
}

function tooWide(table: string): LifeboatError {
	return new LifeboatError(
		`The table ${JSON.stringify(table)} has 100 columns and a rowid, more than D1 copies at once.`,
		{
			code: 'table_too_wide',
			status: 422,
			hint: 'Nothing was changed. Restore the whole backup, or this table with the sqlite3 program.',
		},
	);
}

class TablesRestore {
	readonly #database: SqlDatabase;
	readonly #options: TablesOptions;
	/** The table that takes the pieces of long values, in place of the file's. */
	readonly #pieces: string;
	readonly #tables: Map<string, string>;
	readonly #steps: Steps;
	readonly #staging: Staging;
	/** Those of the tables that are not there; of a table that was gone, all. */
	readonly #indexes: Step[] = [];
	readonly #triggers: Step[] = [];
	#done = 0;

	constructor(database: SqlDatabase, claim: Claim, tables: string[], options: TablesOptions) {
		this.#database = database;
		this.#options = options;
		this.#tables = new Map(tables.map((name) => [foldCase(name), name]));
		this.#pieces = quoteName(`${claim.prefix}pieces`);
		this.#steps = new Steps(database, options.sleep, claim);
		this.#staging = new Staging(database, options.survey, claim.prefix);
	}

	/** Puts the rows of the file aside, in tables of their own. */
	async collect(source: SqlSource): Promise<void> {
		const { objects } = await readContents(this.#database, this.#options.sleep);
		const existing = new Set(objects.map(({ name }) => foldCase(name)));
		for await (const statements of readStatements(source)) {
			for (const statement of statements) await this.#collect(statement, existing);
			this.#report(statements.at(-1)?.end ?? 0);
		}
		await this.#steps.flush();
		await this.#options.inspect?.(this.#staging.all);
	}

	/** One transaction: the old rows go, those of the file come. */
	async swap(): Promise<void> {
		const { results } = await this.#database.batch([SCHEMA]);
		const schema = results[0]?.results ?? [];
		const guards = await this.#guards();
		const stages = this.#staging.all;
		const counters = this.#counters();
		const emptied = [...this.#tables.values()].filter((name) => hasRows(schema, name));
		const triggers = schema.filter(({ type }) => type === 'trigger');
		const statements: SqlStatement[] = [
			...triggers.map(({ name }) => `DROP TRIGGER ${quoteName(String(name))}`),
			...guards.create,
			...counters.before,
			...emptied.map((name) => `DELETE FROM ${quoteName(name)}`),
			...stages.filter(({ table }) => table !== SEQUENCE).map(putBack),
			...guards.drop,
			...counters.after,
			...this.#indexes.map(({ statement }) => statement),
			...schema.filter(isExternalFullText).map(({ name }) => rebuild(String(name))),
			...triggers.map(({ sql }) => String(sql)),
			...this.#triggers.map(({ statement }) => statement),
			...stages.map(dropped),
		];
		const { bytes } = this.#options.survey;
		const place = { table: null, number: this.#done, start: bytes, end: bytes };
		await this.#steps.finish(statements.map((statement) => ({ statement, ...place })));
		this.#report(bytes);
	}

	async #collect(statement: Statement, existing: Set<string>): Promise<void> {
		this.#done++;
		const { sql, ...place } = statement;
		const head = readHead(sql);
		const pieces = this.#ofPieces(sql);
		if (pieces !== null) return this.#steps.add({ ...place, statement: pieces, table: null });
		if (head.kind === 'rows') return this.#collectRows(statement, head);
		if (head.kind !== 'create' || existing.has(foldCase(head.name))) return;
		if (!this.#tables.has(foldCase(head.table))) return;
		const step = { ...place, statement: sql, table: head.table };
		if (head.type === 'index') this.#indexes.push(step);
		else if (head.type === 'trigger') this.#triggers.push(step);
		else await this.#steps.add(step);
	}

	async #collectRows(statement: Statement, head: Head & { kind: 'rows' }): Promise<void> {
		const { lifeboat } = this.#options.survey;
		const wanted = this.#tables.has(foldCase(head.table)) || head.table === SEQUENCE;
		if (!wanted || (lifeboat && isFullTextCommand(statement.sql.slice(head.values)))) return;
		if (head.columns === null) await this.#steps.flush(); // the table itself names them
		if (!fitsStage(head)) throw tooWide(head.table);
		const join = (_: string, start: string, end: string) => `${start}${this.#pieces}${end}`;
		const sql = lifeboat ? statement.sql.replace(JOINED, join) : statement.sql;
		const steps = await this.#staging.steps({ ...statement, sql }, head);
		for (const step of steps) await this.#steps.add(step);
	}

	/** What makes, fills, empties and drops the file's table of pieces, for ours; null for all else. */
	#ofPieces(sql: string): string | null {
		const { lifeboat, tableNames } = this.#options.survey;
		const [, start, name = '', rest] = OF_PIECES.exec(sql) ?? [];
		// A table that the file keeps is none of pieces, whatever it is called.
		if (!lifeboat || start === undefined || tableNames.includes(name)) return null;
		return `${start}${this.#pieces}${rest}`;
	}

	/** Keeps the rows of all other tables as they are while the rows that they point at are away. */
	async #guards(): Promise<ReturnType<typeof guardTriggers>> {
		const references = await readReferences(this.#database, this.#options.sleep);
		const children = references
			.filter(({ parent }) => this.#tables.has(foldCase(parent)))
			.map(({ child }) => child);
		const others = children.filter((name) => !this.#tables.has(foldCase(name)));
		return guardTriggers(children, { deletes: others });
	}

	/**
	 * AUTOINCREMENT never gives a number again that it gave before, here or when the file was made.
	 * Rows that come back count their own numbers as well, whatever the counter was.
	 */
	#counters(): { before: string[]; after: string[] } {
		const stage = this.#staging.all.find(({ table }) => table === SEQUENCE);
		if (!stage) return { before: [], after: [] };
		const counters = quoteName(stage.name);
		const names = [...this.#tables.values()].map(quoteText).join(',');
		return {
			before: [
				`DELETE FROM ${counters} WHERE name NOT IN (${names})`,
				`UPDATE ${counters} SET seq=max(seq,ifnull((SELECT q.seq FROM ${SEQUENCE} q WHERE q.name=${counters}.name),seq))`,
			],
			after: [
				`DELETE FROM ${SEQUENCE} WHERE name IN (SELECT name FROM ${counters})`,
				`INSERT INTO ${SEQUENCE} (name,seq) SELECT name,seq FROM ${counters}`,
			],
		};
	}

	#report(bytes: number): void {
		const { survey, onProgress } = this.#options;
		onProgress?.({ bytes, totalBytes: survey.bytes, statements: this.#done, table: null });
	}
}

function isExternalFullText(row: Row): boolean {
	return isFullText(row) && EXTERNAL_CONTENT.test(String(row['sql']));
}

/**
 * An index of what is elsewhere is made anew. One of what is nowhere is not in a backup, so it stays as it
 * is; D1 could not even empty every kind of it.
 */
function hasRows(schema: Row[], table: string): boolean {
	return !schema.some(
		(row) => row['name'] === table && isFullText(row) && NO_OWN_CONTENT.test(String(row['sql'])),
	);
}

function isFullText({ sql }: Row): boolean {
	return /^CREATE VIRTUAL TABLE\b.*\bUSING\s+fts5\b/is.test(String(sql));
}

function rebuild(name: string): string {
	return `INSERT INTO ${quoteName(name)} (${quoteName(name)}) VALUES ('rebuild')`;
}
