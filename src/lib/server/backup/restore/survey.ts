import { LifeboatError } from '../../errors.ts';
import { type Core, ROW_SEPARATOR, RowDigest, type TableDigest } from '../format/digest.ts';
import { JOINED_PIECES, JOINED_START } from '../format/pieces.ts';
import { parseTrailer } from '../format/trailer.ts';
import { MAX_STATEMENT_BYTES } from '../limits.ts';
import { foldCase, RESTORE_MARKER } from '../sql.ts';
import { type CreateHead, type Head, parseHead, type RowsHead } from './parse.ts';
import type { SqlSource } from './source.ts';
import { readStatements, type Statement, StatementReader } from './statements.ts';

/** What is in a file, known before any database is touched. */
export interface Survey {
	bytes: number;
	statements: number;
	/** Rows in the file; 0 in a file of another tool. */
	rows: number;
	/** Whether Lifeboat wrote the file. */
	lifeboat: boolean;
	/** What the last line of the file says about the database; null in a file of another tool. */
	core: Core | null;
	/** The rows that are in the file; empty in a file of another tool. */
	tables: TableDigest[];
	/** Numbers of the statements that are too long for D1. */
	tooLong: number[];
	/**
	 * For each table, by its folded name: the numbers of the first and last statement with its rows.
	 */
	rowStatements: Map<string, { first: number; last: number }>;
	/** Names of all tables that the file creates and does not drop, as it spells them. */
	tableNames: string[];
	/**
	 * Definitions that come after some rows in the file and have to be run before them: other tools
	 * write each table followed by its rows, and D1 refuses a row whose foreign key names a table
	 * that does not exist yet.
	 */
	hoisted: Statement[];
	/** Numbers of the statements about objects with a name that restores need. */
	reserved: number[];
}

/** The end of a row and the start of the next. */
const ROW_END = `)${ROW_SEPARATOR}(`;

/**
 * Reads a whole file and returns what is in it. `onProgress` gets the bytes read so far.
 *
 * Throws `sql_incomplete` (422) if the file is truncated or says itself that it is not complete,
 * `sql_unsupported` (422) for what D1 does not support, and what {@link readStatements} throws.
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
 * Refuses a file with an object, or rows of a table, whose name restores need for themselves.
 * Throws `restore_refused` (422).
 */
export function refuseReservedNames({ reserved: [first] }: Survey): void {
	if (first === undefined) return;
	throw new LifeboatError(
		`Statement ${first} is about ${RESTORE_MARKER}, a name that restores need. Nothing was changed.`,
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
	readonly #definitions: { statement: Statement; head: CreateHead; afterRows: boolean }[] = [];
	readonly #dropped = new Set<string>();
	readonly #tooLong: number[] = [];
	readonly #reserved: number[] = [];
	/** The pieces of a long row, by their number in the scratch table. */
	readonly #pieces = new Map<number, string>();
	#transaction = 'none';
	#statements = 0;

	add(statement: Statement): void {
		const { sql, number } = statement;
		this.#statements = number;
		if (statement.end - statement.start > MAX_STATEMENT_BYTES) this.#tooLong.push(number);
		const head = parseHead(sql);
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
		const core = lifeboat ? parseTrailer(lastComment) : null;
		if (lifeboat && core === null) throw unfinished();
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

	#addRows({ sql, number }: Statement, { table, columns, values }: RowsHead): void {
		if (/^sqlite_(schema|master)$/i.test(table)) throw virtualTables(number);
		const body = sql.slice(values, -1);
		const piece = columns === null ? /^ \((\d+),X'([0-9A-F]*)'\)$/.exec(body) : null;
		if (piece) this.#pieces.set(Number(piece[1]), piece[2] ?? '');
		const key = foldCase(table);
		const known = this.#rowStatements.get(key);
		if (known) known.last = number;
		else this.#rowStatements.set(key, { first: number, last: number });
		// Lifeboat names the columns of all rows except those of its pieces.
		if (columns === null || isFullTextCommand(body)) return;
		const digest = this.#digests.get(table) ?? new RowDigest();
		this.#digests.set(table, digest);
		if (body.startsWith('\n')) digest.add(body.slice(1), countRows(body));
		else digest.add(this.#joined(body.slice(1)), 1);
	}

	/** A long row as if its values had not been cut into pieces (docs/format.md, "Digests"). */
	#joined(row: string): string {
		const joined = row.replace(
			JOINED_PIECES,
			(_, type: string, _table: string, first: string, last: string) => {
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

	/** In the order of the last line, which also names empty tables; then any others. */
	#tables(core: Core): TableDigest[] {
		const names = new Set([...core.tables.map(({ name }) => name), ...this.#digests.keys()]);
		return [...names].map((name) => {
			const digest = this.#digests.get(name) ?? new RowDigest();
			return { name, rows: digest.rows, sha256: digest.hex() };
		});
	}

	/** Without the tables that the file drops again: it needs them only where they are. */
	#hoisted(): Statement[] {
		if (!this.#definitions.some(({ afterRows }) => afterRows)) return [];
		return this.#definitions
			.filter(({ head }) => isNeededByRows(head) && !this.#dropped.has(foldCase(head.name)))
			.map(({ statement }) => statement);
	}
}

function isReserved(head: Head): boolean {
	if (head.kind === 'rows') return foldCase(head.table) === RESTORE_MARKER;
	const named = head.kind === 'create' || head.kind === 'drop';
	return named && foldCase(head.name) === RESTORE_MARKER;
}

/** A row needs its table, and a foreign key needs a unique index on the columns it refers to. */
function isNeededByRows({ type, unique }: CreateHead): boolean {
	return type === 'table' || type === 'virtual table' || (type === 'index' && unique);
}

/**
 * Whether an INSERT of Lifeboat is a command to a full-text table: rows start on a line of their
 * own.
 */
export function isFullTextCommand(body: string): boolean {
	return body.startsWith(' (') && !body.includes(JOINED_START);
}

/** Counts the rows of an INSERT: one more than there are ends of rows outside of text. */
function countRows(body: string): number {
	let rows = 1;
	let quote = body.indexOf("'");
	let end = body.indexOf(ROW_END);
	while (end !== -1) {
		let next = end + ROW_END.length;
		while (quote !== -1 && quote < end) {
			const close = body.indexOf("'", quote + 1);
			quote = body.indexOf("'", close + 1);
			if (close > end) next = close + 1; // it is within a text
		}
		if (next === end + ROW_END.length) rows++;
		end = body.indexOf(ROW_END, next);
	}
	return rows;
}

function unfinished(): LifeboatError {
	return new LifeboatError(
		'The end of the file is missing, or the file says that it is not complete.',
		{
			code: 'sql_incomplete',
			status: 422,
			hint: 'Download the file again, or use another backup.',
		},
	);
}

function virtualTables(number: number): LifeboatError {
	return new LifeboatError(
		`Statement ${number} writes to sqlite_schema, which D1 does not allow: the file has virtual tables as \`sqlite3 .dump\` writes them.`,
		{
			code: 'sql_unsupported',
			status: 422,
			hint: 'Restore it with `sqlite3 restored.db < FILE`, or make a backup with Lifeboat.',
		},
	);
}
