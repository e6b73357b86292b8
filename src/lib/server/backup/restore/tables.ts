import { LifeboatError } from '../../errors.ts';
import type { SqlDatabase } from '../database.ts';
import { JOINED_PIECES, joinedPieces, SCRATCH } from '../format/pieces.ts';
import { MAX_COLUMNS } from '../limits.ts';
import { foldCase, notOfD1, quoteName, quoteText, SEQUENCE } from '../sql.ts';
import { parseFullText } from '../virtual-table.ts';
import { type RestoreOptions, type RestoreSummary, whileClaimed } from './apply.ts';
import type { Claim } from './claim.ts';
import { readContents } from './contents.ts';
import { parseHead, type RowsHead } from './parse.ts';
import { guardTriggers, readReferences } from './references.ts';
import { command, hasRows, isIndexOnly } from './searches.ts';
import type { SqlSource } from './source.ts';
import { dropped, fitsStage, putBack, type Stage, Staging } from './staging.ts';
import { readStatements, type Statement } from './statements.ts';
import { isFullTextCommand } from './survey.ts';
import { type PlacedStatement, Transactions } from './transactions.ts';

/** A statement written by Lifeboat about the table for the pieces of long values. */
const OF_PIECES = new RegExp(
	`^((?:CREATE|DROP) TABLE |INSERT INTO |DELETE FROM )"(${SCRATCH}_*)"(.*)$`,
	's',
);

/** Without triggers on what SQLite takes for shadow tables: D1 would not create them again. */
const SCHEMA = `SELECT type, name, sql FROM sqlite_schema
	WHERE sql IS NOT NULL AND ${notOfD1('tbl_name')} AND NOT (type = 'trigger' AND tbl_name IN
		(SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')) ORDER BY rowid`;

export interface TablesOptions extends RestoreOptions {
	/** Called when all rows are staged, before any table is changed. */
	inspect?(stages: Stage[]): Promise<void>;
}

/**
 * Restores the rows of some tables from a file, in a database that is in use. All other rows stay
 * as they are: no trigger fires, and no foreign key deletes or changes a row. Tables that no longer
 * exist are created again, with their indexes and triggers. The rows are replaced in one
 * transaction at the end; if anything fails before, they have not changed.
 *
 * Throws LifeboatError: `table_unknown` (400) for a name that is not in the file, `restore_running`
 * and `name_taken` (409), `restore_refused` (422), also if rows of other tables refer to rows that
 * the file does not have, `table_too_wide` (422), and what {@link readStatements} and `inspect`
 * throw.
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
		`The table ${JSON.stringify(table)} has ${MAX_COLUMNS} columns and a rowid, more than D1 can copy.`,
		{
			code: 'table_too_wide',
			status: 422,
			hint: 'Nothing was changed. Restore the whole backup, or this table with the sqlite3 program.',
		},
	);
}

function noColumns(number: number): LifeboatError {
	return new LifeboatError(`Statement ${number} does not name its columns.`, {
		code: 'statement_not_allowed',
		status: 422,
		hint: 'Nothing was changed. Use another backup: somebody has changed this one.',
	});
}

class TablesRestore {
	readonly #database: SqlDatabase;
	readonly #options: TablesOptions;
	/** The table for the pieces of long values, instead of the file's. */
	readonly #pieces: string;
	readonly #tables: Map<string, string>;
	readonly #transactions: Transactions;
	readonly #staging: Staging;
	/** Indexes, by their folded names, and triggers that do not exist in the database. */
	readonly #indexes = new Map<string, PlacedStatement>();
	readonly #triggers: PlacedStatement[] = [];
	/** Folded names of indexes of new tables, which are created before the rows are collected. */
	readonly #early = new Set<string>();
	/** Folded names of full-text tables that the file rebuilds. */
	readonly #rebuilt = new Set<string>();
	/** Folded names of full-text tables that index a table that is restored. */
	readonly #parts = new Set<string>();
	/** Folded names of full-text tables that index a view, which may read such a table. */
	readonly #overViews = new Set<string>();
	#done = 0;

	constructor(database: SqlDatabase, claim: Claim, tables: string[], options: TablesOptions) {
		this.#database = database;
		this.#options = options;
		this.#tables = new Map(tables.map((name) => [foldCase(name), name]));
		this.#pieces = quoteName(`${claim.prefix}pieces`);
		this.#transactions = new Transactions(database, options.sleep, claim);
		this.#staging = new Staging(claim.prefix);
	}

	/** Stages the rows of the file. */
	async collect(source: SqlSource): Promise<void> {
		const { objects } = await readContents(this.#database, this.#options.sleep);
		const existing = new Set(objects.map(identityOf));
		const views = new Set(
			objects.filter(({ type }) => type === 'view').map(({ name }) => foldCase(name)),
		);
		for (const { name, sql } of objects) {
			const fullText = parseFullText(sql);
			if (fullText?.content !== 'external') continue;
			const source = foldCase(fullText.source);
			if (this.#tables.has(source)) this.#parts.add(foldCase(name));
			if (views.has(source)) this.#overViews.add(foldCase(name));
		}
		for await (const statements of readStatements(source)) {
			for (const statement of statements) await this.#collect(statement, existing);
			this.#report(statements.at(-1)?.end ?? 0);
		}
		await this.#transactions.flush();
		await this.#options.inspect?.(this.#staging.all);
	}

	/** Replaces the rows, in one transaction. */
	async swap(): Promise<void> {
		const { results } = await this.#database.batch([SCHEMA]);
		const schema = results[0]?.results ?? [];
		const guards = await this.#guards();
		const stages = this.#staging.all;
		const counters = this.#counters();
		const emptied = [...this.#tables.values()].filter((name) => hasRows(schema, name));
		const triggers = schema.filter(({ type }) => type === 'trigger');
		const indexes = schema.filter(isIndexOnly).map(({ name }) => String(name));
		const isFilled = (name: string) =>
			this.#isEmptyIndex(name) || stages.some(({ table }) => foldCase(table) === foldCase(name));
		const statements: string[] = [
			...triggers.map(({ name }) => `DROP TRIGGER ${quoteName(String(name))}`),
			...guards.create,
			...counters.before,
			...emptied.map((name) => `DELETE FROM ${quoteName(name)}`),
			...indexes.filter(isFilled).map((name) => command(name, 'delete-all')),
			...stages.filter(({ table }) => table !== SEQUENCE).map(putBack),
			...guards.drop,
			...counters.after,
			...[...this.#indexes.values()].map(({ sql }) => sql),
			...indexes
				.filter((name) => this.#rebuilt.has(foldCase(name)))
				.map((name) => command(name, 'rebuild')),
			...triggers.map(({ sql }) => String(sql)),
			...this.#triggers.map(({ sql }) => sql),
			...stages.map(dropped),
		];
		const { bytes } = this.#options.survey;
		const place = { table: null, number: this.#done, start: bytes, end: bytes };
		await this.#transactions.finish(statements.map((sql) => ({ sql, ...place })));
		this.#report(bytes);
	}

	async #collect(statement: Statement, existing: Set<string>): Promise<void> {
		this.#done++;
		const head = parseHead(statement.sql);
		const pieces = this.#ofPieces(statement.sql);
		if (pieces !== null) return this.#transactions.add({ ...statement, sql: pieces, table: null });
		if (head.kind === 'rows') return this.#collectRows(statement, head);
		if (head.kind === 'drop' && head.type === 'index') return this.#dropIndex(statement, head.name);
		if (head.kind !== 'create' || existing.has(identityOf(head))) return;
		if (!this.#tables.has(foldCase(head.table))) return;
		const placed = { ...statement, table: head.table };
		// A new table needs its UNIQUE indexes at once, if other tables refer to it.
		const isEarly = head.unique && !existing.has(identityOf({ type: 'table', name: head.table }));
		if (head.type === 'trigger') this.#triggers.push(placed);
		else if (head.type !== 'index') await this.#transactions.add(placed);
		else if (!isEarly) this.#indexes.set(foldCase(head.name), placed);
		else {
			this.#early.add(foldCase(head.name));
			await this.#transactions.add(placed);
		}
	}

	/** Drops an index that only the rows of the whole file needed, or does not create it at all. */
	async #dropIndex(statement: Statement, name: string): Promise<void> {
		this.#indexes.delete(foldCase(name));
		if (!this.#early.delete(foldCase(name))) return;
		await this.#transactions.add({ ...statement, table: null });
	}

	async #collectRows(statement: Statement, head: RowsHead): Promise<void> {
		const name = foldCase(head.table);
		const { columns } = head;
		if (isFullTextCommand(statement.sql.slice(head.values))) {
			const concerns = this.#concerns(name) || this.#overViews.has(name);
			if (concerns && statement.sql.endsWith(`VALUES ('rebuild');`)) this.#rebuilt.add(name);
			return;
		}
		if (!this.#concerns(name) && head.table !== SEQUENCE) return;
		if (columns === null) throw noColumns(statement.number); // nor does Lifeboat write such rows
		if (!fitsStage(columns)) throw tooWide(head.table);
		const sql = this.#withOurPieces(statement.sql);
		const staged = this.#staging.stage({ ...statement, sql }, { ...head, columns });
		for (const each of staged) await this.#transactions.add(each);
	}

	/** Whether a table, by its folded name, is restored or is an index of one that is. */
	#concerns(name: string): boolean {
		return this.#tables.has(name) || this.#parts.has(name);
	}

	/** Whether the file says that an index to be restored had no rows, for which it has no statement. */
	#isEmptyIndex(name: string): boolean {
		const key = foldCase(name);
		if (!this.#concerns(key)) return false;
		const { searches = [] } = this.#options.survey.core ?? {};
		return searches.some((search) => foldCase(search.name) === key && search.rows === 0);
	}

	/** No text in a row looks like joined pieces, because its quotes are doubled. */
	#withOurPieces(sql: string): string {
		return sql.replace(JOINED_PIECES, (_, type: 'TEXT' | 'BLOB', _table, first, last) =>
			joinedPieces(this.#pieces, type, first, last),
		);
	}

	/** A statement about the file's table of pieces, rewritten for ours; null for all others. */
	#ofPieces(sql: string): string | null {
		const { tableNames } = this.#options.survey;
		const [, start, name = '', rest] = OF_PIECES.exec(sql) ?? [];
		// A table that the file does not drop again is not for pieces, whatever its name.
		if (start === undefined || tableNames.includes(name)) return null;
		return `${start}${this.#pieces}${rest}`;
	}

	/**
	 * Keeps the rows of all other tables as they are while the rows that they refer to are replaced.
	 */
	async #guards(): Promise<ReturnType<typeof guardTriggers>> {
		const references = await readReferences(this.#database, this.#options.sleep);
		const children = references
			.filter(({ parent }) => this.#tables.has(foldCase(parent)))
			.map(({ child }) => child);
		const others = children.filter((name) => !this.#tables.has(foldCase(name)));
		return guardTriggers(children, { deletes: others });
	}

	/**
	 * AUTOINCREMENT must not assign a number that was assigned before, in this database or in the one
	 * that was backed up. SQLite itself raises the counter for the numbers of the restored rows.
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

/** What tells objects apart: triggers have names of their own. */
function identityOf({ type, name }: { type: string; name: string }): string {
	return `${type === 'trigger' ? 'trigger' : 'object'} ${foldCase(name)}`;
}
