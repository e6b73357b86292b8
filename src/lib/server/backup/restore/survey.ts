import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { RESTORE_MARKER, foldCase } from '../sql.ts';
import { MAX_STATEMENT_BYTES } from '../limits.ts';
import { type Core, ROW_SEPARATOR, RowDigest, type TableDigest } from '../format/digest.ts';
import { type Head, readHead } from './parse.ts';
import type { SqlSource } from './source.ts';
import { readStatements, type Statement, StatementReader } from './statements.ts';

/** What a file holds, known before any database is touched. */
export interface Survey {
	bytes: number;
	statements: number;
	/** Rows in the file; 0 in a file of another tool. */
	rows: number;
	/** Whether Lifeboat wrote the file. */
	lifeboat: boolean;
	/** What the last line of the file says of the database; null in a file of another tool. */
	core: Core | null;
	/** The rows as they stand in the file; empty in a file of another tool. */
	tables: TableDigest[];
	/** Numbers of statements longer than D1 takes. */
	tooLong: number[];
	/** By lower-cased name of the table: the numbers of the first and last statement with its rows. */
	rowStatements: Map<string, { first: number; last: number }>;
	/** Names of all tables that the file makes and keeps, as it spells them. */
	tableNames: string[];
	/**
	 * Definitions that stand among the rows and have to come before them: other tools write each
	 * table with its rows behind it, and D1 takes no row whose foreign key names a missing table.
	 */
	hoisted: Statement[];
	/** Numbers of statements about objects whose name a restore needs for itself. */
	reserved: number[];
}

const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** Entries, because valibot's objects and records leave out names such as `constructor`. */
const Tables = v.pipe(
	v.custom<object>((tables) => typeof tables === 'object' && tables !== null),
	v.transform((tables) => Object.entries(tables)),
	v.array(v.tuple([v.string(), v.object({ rows: Count, sha256: Sha256 })])),
	v.transform((entries) => entries.map(([name, table]) => ({ name, ...table }))),
);
const Trailer = v.object({
	schema: v.object({ objects: Count, sha256: Sha256 }),
	tables: Tables,
});

/** Where a row ends and another follows. */
const ROW_END = `)${ROW_SEPARATOR}(`;

/**
 * Reads a file from its start to its end and tells what is in it; `onProgress` gets the bytes so far.
 *
 * Throws `sql_incomplete` (422) when the file is cut or says itself that it is not complete,
 * `sql_unsupported` (422) for what D1 cannot take, and what {@link readStatements} throws.
 */
export async function survey(
	source: SqlSource,
	onProgress: (bytes: number) => void = () => {},
): Promise<Survey> {
	const surveyor = new Surveyor();
	const reader = new StatementReader();
	for await (const statements of readStatements(source, reader)) {
		for (const statement of statements) surveyor.add(statement);
		onProgress(reader.bytes);
	}
	return surveyor.finish(reader);
}

/**
 * Refuses a file with an object, or rows of a table, whose name a restore needs for itself, before
 * anything is touched. Throws `restore_refused` (422).
 */
export function refuseReservedNames({ reserved: [first] }: Survey): void {
	if (first === undefined) return;
	throw new LifeboatError(
		`Statement ${first} is about ${RESTORE_MARKER}, a name that a restore needs for itself. Nothing was changed.`,
		{
			code: 'restore_refused',
			status: 422,
			hint: 'Rename it in the file, or restore the file with `sqlite3 restored.db < FILE`.',
		},
	);
}

class Surveyor {
	readonly #digests = new Map<string, RowDigest>();
	readonly #rowStatements: Survey['rowStatements'] = new Map();
	readonly #tableNames = new Map<string, string>();
	readonly #definitions: { statement: Statement; head: Head; afterRows: boolean }[] = [];
	readonly #dropped = new Set<string>();
	readonly #tooLong: number[] = [];
	readonly #reserved: number[] = [];
	/** Pieces of a long row, by their number in the scratch table. */
	readonly #pieces = new Map<number, string>();
	#transaction = 'none';
	#statements = 0;

	add(statement: Statement): void {
		const { sql, number } = statement;
		this.#statements = number;
		if (statement.end - statement.start > MAX_STATEMENT_BYTES) this.#tooLong.push(number);
		const head = readHead(sql);
		if (isReserved(head)) this.#reserved.push(number);
		if (head.kind === 'rows') this.#addRows(statement, head);
		else if (head.kind === 'transaction') this.#transaction = head.verb;
		else if (head.kind === 'drop') this.#drop(foldCase(head.name));
		else if (head.kind === 'create') {
			if (head.type === 'table' || head.type === 'virtual table') {
				this.#tableNames.set(foldCase(head.name), head.name);
			}
			this.#definitions.push({ statement, head, afterRows: this.#rowStatements.size > 0 });
		}
	}

	finish({ firstComment, lastComment, bytes }: StatementReader): Survey {
		const lifeboat = firstComment?.startsWith('Lifeboat ') ?? false;
		if (this.#transaction === 'BEGIN' || this.#transaction === 'ROLLBACK') throw unfinished();
		const core = lifeboat ? readTrailer(lastComment) : null;
		const tables = core ? this.#tables(core) : [];
		return {
			bytes,
			statements: this.#statements,
			rows: tables.reduce((sum, { rows }) => sum + rows, 0),
			lifeboat,
			core,
			tables,
			tooLong: this.#tooLong,
			rowStatements: this.#rowStatements,
			tableNames: [...this.#tableNames.values()],
			hoisted: lifeboat ? [] : this.#hoisted(),
			reserved: this.#reserved,
		};
	}

	#drop(name: string): void {
		this.#dropped.add(name);
		this.#tableNames.delete(name);
	}

	#addRows({ sql, number }: Statement, { table, columns, values }: Head & { kind: 'rows' }): void {
		if (/^sqlite_(schema|master)$/i.test(table)) throw virtualTables(number);
		const body = sql.slice(values, -1);
		const piece = columns === null ? /^ \((\d+),X'([0-9A-F]*)'\)$/.exec(body) : null;
		if (piece) this.#pieces.set(Number(piece[1]), piece[2] ?? '');
		const key = foldCase(table);
		const known = this.#rowStatements.get(key);
		if (known) known.last = number;
		else this.#rowStatements.set(key, { first: number, last: number });
		// Lifeboat names the columns of all rows but of its own pieces.
		if (columns === null || isFullTextCommand(body)) return;
		const digest = this.#digests.get(table) ?? new RowDigest();
		this.#digests.set(table, digest);
		if (body.startsWith('\n')) digest.add(body.slice(1), countRows(body));
		else digest.add(this.#joined(body.slice(1)), 1);
	}

	/** A long row as if its values had not been cut into pieces: see docs/format.md, Digests. */
	#joined(row: string): string {
		const joined = row.replace(
			/\(SELECT CAST\(group_concat\(value,''\) AS (TEXT|BLOB)\) FROM "(?:[^"]|"")*" WHERE id BETWEEN (\d+) AND (\d+)\)/g,
			(_, type: string, first: string, last: string) => {
				const pieces: string[] = [];
				for (let id = Number(first); id <= Number(last); id++) {
					pieces.push(this.#pieces.get(id) ?? '');
				}
				const literal = `X'${pieces.join('')}'`;
				return type === 'TEXT' ? `CAST(${literal} AS TEXT)` : literal;
			},
		);
		this.#pieces.clear();
		return joined;
	}

	/** In the order of the last line, which also names tables without rows; then what else is there. */
	#tables(core: Core): TableDigest[] {
		const names = new Set([...core.tables.map(({ name }) => name), ...this.#digests.keys()]);
		return [...names].map((name) => {
			const digest = this.#digests.get(name) ?? new RowDigest();
			return { name, rows: digest.rows, sha256: digest.hex() };
		});
	}

	/** A table that the file also drops is there for a while only, and stays where it is. */
	#hoisted(): Statement[] {
		if (!this.#definitions.some(({ afterRows }) => afterRows)) return [];
		return this.#definitions
			.filter(({ head }) => head.kind === 'create' && isNeededByRows(head))
			.filter(({ head }) => head.kind === 'create' && !this.#dropped.has(foldCase(head.name)))
			.map(({ statement }) => statement);
	}
}

function isReserved(head: Head): boolean {
	if (head.kind === 'rows') return foldCase(head.table) === RESTORE_MARKER;
	const named = head.kind === 'create' || head.kind === 'drop';
	return named && foldCase(head.name) === RESTORE_MARKER;
}

/** A row needs its table, and a foreign key needs a unique index on what it points at. */
function isNeededByRows({ type, unique }: Head & { kind: 'create' }): boolean {
	return type === 'table' || type === 'virtual table' || (type === 'index' && unique);
}

/** How Lifeboat writes a setting or a rebuild of a full-text table; rows stand on lines of their own. */
export function isFullTextCommand(body: string): boolean {
	return body.startsWith(' (') && !body.includes('(SELECT CAST(group_concat(');
}

/** Rows of an INSERT: one more than there are ends of rows outside of texts. */
function countRows(body: string): number {
	let rows = 1;
	let quote = body.indexOf("'");
	let end = body.indexOf(ROW_END);
	while (end !== -1) {
		let behind = end + ROW_END.length;
		while (quote !== -1 && quote < end) {
			const close = body.indexOf("'", quote + 1);
			quote = body.indexOf("'", close + 1);
			if (close > end) behind = close + 1; // it stands in a text
		}
		if (behind === end + ROW_END.length) rows++;
		end = body.indexOf(ROW_END, behind);
	}
	return rows;
}

function readTrailer(comment: string | null): Core {
	const json = comment?.startsWith('lifeboat ') ? comment.slice('lifeboat '.length) : '';
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), Trailer), json);
	if (!result.success) throw unfinished();
	return result.output;
}

function unfinished(): LifeboatError {
	return new LifeboatError('The end of the file is missing, or it says that it is not complete.', {
		code: 'sql_incomplete',
		status: 422,
		hint: 'Fetch the file again, or take another backup.',
	});
}

function virtualTables(number: number): LifeboatError {
	return new LifeboatError(
		`Statement ${number} writes to sqlite_schema, which D1 does not allow: the file has virtual tables in the form of \`sqlite3 .dump\`.`,
		{
			code: 'sql_unsupported',
			status: 422,
			hint: 'Restore it with `sqlite3 restored.db < FILE`, or take a backup with Lifeboat.',
		},
	);
}
