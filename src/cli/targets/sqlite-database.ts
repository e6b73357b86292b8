import type { DatabaseSync } from 'node:sqlite';
import type {
	BatchResult,
	Row,
	SqlDatabase,
	SqlStatement,
} from '../../lib/server/backup/database.ts';

/** A connection of Node's own SQLite. Within a transaction of the caller a batch is a part of that. */
export class SqliteDatabase implements SqlDatabase {
	readonly #connection: DatabaseSync;

	constructor(connection: DatabaseSync) {
		this.#connection = connection;
	}

	async batch(statements: SqlStatement[]): Promise<BatchResult> {
		const within = this.#connection.isTransaction;
		this.#connection.exec(within ? 'SAVEPOINT batch' : 'BEGIN');
		try {
			const results = statements.map((statement) => ({ results: this.#run(statement), meta: {} }));
			this.#connection.exec(within ? 'RELEASE batch' : 'COMMIT');
			return { results, bookmark: null };
		} catch (error) {
			const undo = within ? 'ROLLBACK TO batch; RELEASE batch' : 'ROLLBACK';
			if (this.#connection.isTransaction) this.#connection.exec(undo);
			throw error;
		}
	}

	#run(statement: SqlStatement): Row[] {
		if (typeof statement === 'string') return this.#connection.prepare(statement).all() as Row[];
		return this.#connection.prepare(statement.sql).all(...statement.parameters) as Row[];
	}
}
