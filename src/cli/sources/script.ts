import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import {
	readStatements,
	type Statement,
	StatementReader,
} from '../../lib/server/backup/restore/statements.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { Guard } from '../embedded/guard.ts';
import type { Context } from '../terminal/command.ts';
import { empty } from './kind.ts';
import { explain, type Refusal } from './refusal.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** What `.dump` writes after its ROLLBACK if it could not read the database (sqlite3: shell.c). */
const OF_FAILED_DUMP = 'due to errors';

const CR = 0x0d;
const LF = 0x0a;

/**
 * Opens a database file on this machine as the sqlite3 shell does: foreign keys are not enforced, text may
 * be in double quotes, and `writable_schema` works, which `.dump` needs for virtual tables.
 */
export function openAsShell(path: string): DatabaseSync {
	return new DatabaseSync(path, {
		enableForeignKeyConstraints: false,
		enableDoubleQuotedStringLiterals: true,
		defensive: false,
	});
}

/**
 * Runs an SQL file of any tool in a new database file, statement by statement, as `sqlite3 new.db < FILE`
 * does. Statements that reach outside of that database are refused.
 *
 * Throws `file_empty`, `sql_incomplete`, `file_not_utf8` and what {@link explain} returns (422).
 */
export async function runScript(
	path: string,
	name: string,
	file: SqlSource,
	{ signal, progress }: Context,
	totalBytes: number,
): Promise<void> {
	closeSync(openSync(path, 'wx', MODE));
	using connection = openAsShell(path);
	// After a crash this file is worthless. Without a journal a failed statement could not be undone.
	connection.exec('PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536');
	const source = withUnixLines(file);
	const script = new Script(connection);
	try {
		const reader = new StatementReader({ shell: true });
		for await (const statements of readAll(source, reader)) {
			signal.throwIfAborted();
			for (const statement of statements) script.run(statement);
			progress.bytes(reader.bytes, totalBytes);
		}
		script.finish(reader.rest(), reader.lastComment);
	} catch (error) {
		throw await script.explained(name, source, error);
	}
}

/** Like {@link readStatements}, but the last statement may have no semicolon. */
async function* readAll(source: SqlSource, reader: StatementReader) {
	try {
		yield* readStatements(source, reader);
	} catch (error) {
		if (!(error instanceof LifeboatError && error.code === 'sql_incomplete')) throw error;
	}
}

class Script {
	readonly #connection: DatabaseSync;
	readonly #guard: Guard;
	#last: Statement | null = null;
	#changed = false;

	constructor(connection: DatabaseSync) {
		this.#connection = connection;
		this.#guard = new Guard(connection);
	}

	run(statement: Statement): void {
		this.#last = statement;
		this.#guard.run(statement.sql);
		this.#changed ||= !/^(PRAGMA|BEGIN|COMMIT|END|SELECT)\b/i.test(statement.sql);
	}

	/** Runs what has no semicolon. Throws `sql_incomplete` and `file_empty` (422). */
	finish(rest: Statement | null, lastComment: string | null): void {
		if (rest) this.run(rest);
		if (!this.#changed) throw empty('The file has no statement that makes or changes anything.');
		const rolledBack = /^ROLLBACK\b(?!.*\bTO\b)/is.test(this.#last?.sql ?? '');
		const undone = rolledBack && (this.#isEmpty() || lastComment === OF_FAILED_DUMP);
		if (this.#connection.isTransaction || undone) throw unfinished(undone);
	}

	#isEmpty(): boolean {
		return this.#connection.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
	}

	/** A LifeboatError for what SQLite has thrown. */
	async explained(name: string, source: SqlSource, error: unknown): Promise<unknown> {
		if (error instanceof LifeboatError) {
			return error.code === 'sql_not_text' ? notUtf8(error) : error;
		}
		if (this.#last === null || !(error instanceof Error)) return error;
		const refusal: Refusal = {
			...{ name, source, error, statement: this.#last },
			refused: this.#guard.refused,
			isSyntax: (sql) => this.#messageFor(sql) === error.message,
		};
		return explain(refusal);
	}

	/** What SQLite says about a statement without running it. */
	#messageFor(sql: string): string | null {
		try {
			this.#connection.prepare(sql);
			return null;
		} catch (error) {
			return error instanceof Error ? error.message : null;
		}
	}
}

/**
 * The lines of a file that was written on Windows, or converted for it, as the sqlite3 shell reads them:
 * they end with a line feed alone. In a file whose first line ends so, all bytes stay as they are.
 */
export function withUnixLines(source: SqlSource): SqlSource {
	return {
		async *open() {
			let windows: boolean | null = null;
			let held = false;
			for await (const chunk of source.open()) {
				const bytes: Uint8Array = held ? Buffer.concat([Uint8Array.of(CR), chunk]) : chunk;
				held = bytes.at(-1) === CR;
				const whole = held ? bytes.subarray(0, -1) : bytes;
				const at = whole.indexOf(LF);
				if (windows === null && at !== -1) windows = whole[at - 1] === CR;
				yield windows ? withoutReturns(whole) : whole;
			}
			if (held) yield Uint8Array.of(CR);
		},
	};
}

function withoutReturns(bytes: Uint8Array): Uint8Array {
	return bytes.filter((byte, at) => byte !== CR || bytes[at + 1] !== LF);
}

function unfinished(undone: boolean): LifeboatError {
	const message = undone
		? 'The file ends with ROLLBACK: the program that wrote it met an error.'
		: 'The file begins a transaction and never commits it: its end is missing.';
	return new LifeboatError(message, {
		code: 'sql_incomplete',
		status: 422,
		hint: 'Nothing was changed. Make the file again, or use another backup.',
	});
}

function notUtf8(cause: LifeboatError): LifeboatError {
	return new LifeboatError(cause.message, {
		code: 'file_not_utf8',
		status: 422,
		hint: 'Nothing was changed. If it is text in another encoding, convert it: iconv -f LATIN1 -t UTF-8 FILE > converted.sql',
		cause,
	});
}
