import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { BatchResult, Row, SqlDatabase } from '../../lib/server/backup/database.ts';
import { LifeboatError } from '../../lib/server/errors.ts';

/** SQLite: Result and Error Codes. */
const SQLITE_BUSY = 5;

/** A connection of Node's own SQLite. A batch within a transaction of the caller becomes a part of it. */
export class SqliteDatabase implements SqlDatabase {
	readonly #connection: DatabaseSync;

	constructor(connection: DatabaseSync) {
		this.#connection = connection;
	}

	async batch(statements: string[]): Promise<BatchResult> {
		const within = this.#connection.isTransaction;
		this.#connection.exec(within ? 'SAVEPOINT batch' : 'BEGIN');
		try {
			const found = statements.map((statement) => this.#run(statement));
			const meta = { size_after: this.#bytes() };
			const results = found.map((rows) => ({ results: rows, meta }));
			this.#connection.exec(within ? 'RELEASE batch' : 'COMMIT');
			return { results, bookmark: null };
		} catch (error) {
			const undo = within ? 'ROLLBACK TO batch; RELEASE batch' : 'ROLLBACK';
			if (this.#connection.isTransaction) this.#connection.exec(undo);
			throw error;
		}
	}

	/** The size of the database's file, which D1 reports too. */
	#bytes(): number {
		const sql = 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size';
		return Number(this.#connection.prepare(sql).get()?.['bytes']);
	}

	#run(statement: string): Row[] {
		return this.#connection.prepare(statement).all() as Row[];
	}
}

/**
 * Opens a database file only to read it, and makes no file beside it unless another program uses it at
 * the moment (SQLite: URI Filenames, "immutable").
 */
export function openToRead(path: string): DatabaseSync {
	const url = pathToFileURL(path);
	const inUse = existsSync(`${path}-wal`) || existsSync(`${path}-journal`);
	if (!inUse) url.searchParams.set('immutable', '1');
	return new DatabaseSync(url, { readOnly: true });
}

/** What an application has written into the header of its SQLite file. D1 has no place for it. */
export interface FileHeader {
	user_version: number;
	application_id: number;
}

/** Reads the header of a connection's file. */
export function readHeader(connection: DatabaseSync): FileHeader {
	const read = (name: keyof FileHeader) =>
		Number(connection.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
	return { user_version: read('user_version'), application_id: read('application_id') };
}

/** Writes it. */
export function writeHeader(connection: DatabaseSync, header: FileHeader): void {
	connection.exec(`PRAGMA user_version=${header.user_version}`);
	connection.exec(`PRAGMA application_id=${header.application_id}`);
}

/** True if SQLite reports that another connection holds the database. */
export function isBusy(error: unknown): boolean {
	return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/** `target_busy` (409). */
export function busy(title: string): LifeboatError {
	return new LifeboatError(`Another program is using ${title}. Nothing was changed.`, {
		code: 'target_busy',
		status: 409,
		hint: 'Stop that program, and try again.',
	});
}
