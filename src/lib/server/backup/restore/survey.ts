import { LifeboatError } from '../../errors.ts';
import { type Core, ROW_SEPARATOR, RowDigest, type TableDigest } from '../format/digest.ts';
import { JOINED_PIECES, JOINED_START } from '../format/pieces.ts';
import { parseTrailer } from '../format/trailer.ts';
import { MAX_STATEMENT_BYTES } from '../limits.ts';
import { foldCase, RESTORE_MARKER } from '../sql.ts';
import { whyNotAllowed } from './allowed.ts';
import { type CreateHead, type DropHead, type Head, parseHead, type RowsHead } from './parse.ts';
import type { SqlSource } from './source.ts';
import { readStatements, type Statement, StatementReader } from './statements.ts';

/** What is in a file, known before any database is touched. */
export interface Survey {
	bytes: number;
	statements: number;
	/** Rows in the file; 0 if Lifeboat did not write it. */
	rows: number;
	/** What the last line says about the database; null if Lifeboat did not write the file. */
	core: Core | null;
	/** The rows that are in the file; empty if Lifeboat did not write it. */
	tables: TableDigest[];
	/** Numbers of the statements that are too long for D1. */
	tooLong: number[];
	/**
	 * For each table, by its folded name: the numbers of the first and last statement with its rows.
	 */
	rowStatements: Map<string, { first: number; last: number }>;
	/** Names of all tables that the file creates and does not drop, as it spells them. */
	tableNames: string[];
	/** The statements that create or drop objects, in their order. */
	definitions: string[];
	/** The first statement that no backup contains; null if there is none. */
	notAllowed: NotAllowed | null;
	/** Numbers of the statements about objects with a name that restores need. */
	reserved: number[];
}

/** A statement that Lifeboat does not write, and why. */
export interface NotAllowed {
	number: number;
	/** Bytes of the file before it. */
	start: number;
	/** The end of a sentence: `ATTACH is not allowed`. */
	reason: string;
}

/** The end of a row and the start of the next. */
const ROW_END = `)${ROW_SEPARATOR}(`;

/**
 * Reads a whole file and returns what is in it. `onProgress` gets the bytes read so far.
 *
 * Throws `sql_incomplete` (422) if the file is truncated, and what {@link readStatements} throws.
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

/**
 * Refuses a file with a statement that Lifeboat does not write: it may reach something outside of
 * the target. `place` says where it is, if that is known better. Throws `statement_not_allowed` (422).
 */
export function refuseOtherStatements({ notAllowed }: Survey, place?: string): void {
	if (notAllowed === null) return;
	const { number, start, reason } = notAllowed;
	const where = place ?? `Statement ${number}, at byte ${start},`;
	throw new LifeboatError(`${where} is none that a backup contains: ${reason}.`, {
		code: 'statement_not_allowed',
		status: 422,
		hint: 'Nothing was changed. Use another backup: somebody has changed this one.',
	});
}

class Surveyor {
	readonly #digests = new Map<string, RowDigest>();
	readonly #rowStatements: Survey['rowStatements'] = new Map();
	readonly #tableNames = new Map<string, string>();
	readonly #definitions: string[] = [];
	readonly #tooLong: number[] = [];
	readonly #reserved: number[] = [];
	/** The pieces of a long row, by their number in the scratch table. */
	readonly #pieces = new Map<number, string>();
	#notAllowed: NotAllowed | null = null;
	#statements = 0;
	#end = 0;

	add(statement: Statement): void {
		const { sql, number } = statement;
		this.#statements = number;
		if (statement.end - statement.start > MAX_STATEMENT_BYTES) this.#tooLong.push(number);
		this.#end = statement.end;
		const head = parseHead(sql);
		if (isReserved(head)) this.#reserved.push(number);
		const reason = this.#notAllowed ? null : whyNotAllowed(sql, head);
		if (reason !== null) this.#notAllowed = { number, start: statement.start, reason };
		if (head.kind === 'rows') this.#addRows(statement, head);
		if (head.kind === 'create' || head.kind === 'drop') this.#define(sql, head);
	}

	finish({ firstComment, lastComment, lastCommentAt, bytes }: StatementReader): Survey {
		const lifeboat = firstComment?.startsWith('Lifeboat ') ?? false;
		const core = lifeboat && lastCommentAt >= this.#end ? parseTrailer(lastComment) : null;
		if (lifeboat && core === null) throw unfinished();
		const tables = core ? this.#tables(core) : [];
		return {
			bytes,
			statements: this.#statements,
			rows: tables.reduce((sum, { rows }) => sum + rows, 0),
			core,
			tables,
			tooLong: this.#tooLong,
			rowStatements: this.#rowStatements,
			tableNames: [...this.#tableNames.values()],
			definitions: this.#definitions,
			notAllowed: this.#notAllowed,
			reserved: this.#reserved,
		};
	}

	#define(sql: string, head: CreateHead | DropHead): void {
		this.#definitions.push(sql);
		const name = foldCase(head.name);
		if (head.kind === 'drop') this.#tableNames.delete(name);
		else if (head.type === 'table' || head.type === 'virtual table') {
			this.#tableNames.set(name, head.name);
		}
	}

	#addRows({ sql, number }: Statement, { table, columns, values }: RowsHead): void {
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
				// The numbers are the file's: between them may lie more than anyone can count to.
				const pieces = [...this.#pieces]
					.filter(([id]) => Number(first) <= id && id <= Number(last))
					.sort(([a], [b]) => a - b);
				const literal = `X'${pieces.map(([, hex]) => hex).join('')}'`;
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
}

function isReserved(head: Head): boolean {
	if (head.kind === 'rows') return foldCase(head.table) === RESTORE_MARKER;
	const named = head.kind === 'create' || head.kind === 'drop';
	return named && foldCase(head.name) === RESTORE_MARKER;
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
	return new LifeboatError('The end of the file is missing, or something follows its last line.', {
		code: 'sql_incomplete',
		status: 422,
		hint: 'Download the file again, or use another backup.',
	});
}
