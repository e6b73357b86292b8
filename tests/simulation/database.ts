import { DatabaseSync } from 'node:sqlite';
import type { D1Database } from '@cloudflare/workers-types';
import type { Gate } from './bucket.ts';

/** The tables of the simulated app. */
export const TABLES = ['a', 'b', 'c'];
/** A text that occurs in every row and nowhere else. */
export const MARK = 'a-row-of-somebody';

/**
 * A D1 database as production has it: a bookmark that moves with every write, and a change counter that
 * restarts at 0 with the database's object. SQLite does the rest.
 */
export class SimulatedDatabase {
	readonly #sqlite = new DatabaseSync(':memory:');
	/** Cached query results since the last write: histories repeat the same queries. */
	#read = new Map<string, Record<string, unknown>[]>();
	#changes = 0;
	#version = 0;
	/** What it holds now, in the form of {@link contentsOf}. */
	state = '';
	/** All states that it ever had. */
	readonly states = new Set<string>();

	constructor() {
		this.#sqlite.function('total_changes', () => this.#changes);
		for (const table of TABLES) {
			this.#sqlite.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, v TEXT, version INT)`);
			for (let id = 1; id <= 3; id++) this.#insert(table);
		}
		// More rows than the first page holds, so that steps end within a table.
		for (let id = 4; id <= 270; id++) this.#insert('b');
		this.#remember();
	}

	/** A text that changes with each write and each restart. */
	get version(): string {
		return `${this.#version} ${this.#changes}`;
	}

	/** Another client writes to some of the tables, in one transaction. */
	write(tables: string[]): void {
		for (const table of tables) {
			this.#sqlite.exec(`UPDATE ${table} SET version = version + 1`);
			this.#insert(table);
			this.#changes += 2;
		}
		this.#version++;
		this.#read.clear();
		this.#remember();
	}

	/** Restarts the database's object: its change counter restarts at 0. */
	restart(): void {
		this.#changes = 0;
		this.#read.clear();
	}

	/** The binding of a Worker, whose calls go through a gate. */
	binding(gate: Gate): D1Database {
		const withSession = () => {
			let bookmark: string | null = null;
			return {
				prepare: (sql: string) => sql,
				getBookmark: () => bookmark,
				batch: (statements: string[]) =>
					gate(() => {
						bookmark = this.#bookmark;
						return this.#run(statements);
					}),
			};
		};
		return { withSession } as unknown as D1Database;
	}

	get #bookmark(): string {
		const version = this.#version.toString(16).padStart(8, '0');
		return `${version}-00000001-00004fb2-${'e'.repeat(32)}`;
	}

	/** Runs some work, and then undoes whatever it has written. */
	async pretending<T>(work: () => Promise<T>): Promise<T> {
		const before = [this.#version, this.#changes] as const;
		this.#sqlite.exec('SAVEPOINT pretending');
		try {
			return await work();
		} finally {
			this.#sqlite.exec('ROLLBACK TO pretending; RELEASE pretending');
			if (this.#version !== before[0]) this.#read.clear();
			[this.#version, this.#changes] = before;
		}
	}

	/** Names of all objects: what a backup may have left is among them. */
	get objects(): string[] {
		const rows = this.#sqlite.prepare('SELECT name FROM sqlite_schema ORDER BY name').all();
		return rows.map(({ name }) => String(name));
	}

	/** Runs a batch, all or nothing. */
	#run(statements: string[]) {
		const isWriting = !statements.every((sql) => sql.startsWith('SELECT'));
		this.#sqlite.exec('SAVEPOINT batch');
		try {
			const all = statements.map((sql) => this.#statement(sql));
			if (isWriting) this.#version++;
			const [pages] = this.#sqlite.prepare('PRAGMA page_count').all();
			const size_after = Number(pages?.['page_count']) * 4096;
			return all.map((results) => ({ results, meta: { rows_read: results.length, size_after } }));
		} catch (error) {
			this.#sqlite.exec('ROLLBACK TO batch');
			throw error;
		} finally {
			this.#sqlite.exec('RELEASE batch');
		}
	}

	#statement(sql: string): Record<string, unknown>[] {
		if (sql.startsWith('SELECT')) return this.#query(sql);
		this.#read.clear();
		this.#changes += Number(this.#sqlite.prepare(sql).run().changes);
		return [];
	}

	#query(sql: string): Record<string, unknown>[] {
		const read = this.#read.get(sql) ?? this.#sqlite.prepare(sql).all();
		this.#read.set(sql, read);
		return read.map((row) => ({ ...row }));
	}

	#remember(): void {
		this.state = contentsOf(this.#sqlite);
		this.states.add(this.state);
	}

	#insert(table: string): void {
		const value = `${MARK} ${this.#version}`;
		this.#sqlite.prepare(`INSERT INTO ${table} (v, version) VALUES (?, 1)`).run(value);
	}
}

/** The contents of the tables of a database that may have been restored. */
export function contentsOf(sqlite: DatabaseSync): string {
	return JSON.stringify(
		TABLES.map((table) => sqlite.prepare(`SELECT * FROM ${table} ORDER BY id`).all()),
	);
}
