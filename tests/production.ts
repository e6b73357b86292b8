import type { D1Database, D1PreparedStatement, D1Result } from '@cloudflare/workers-types';

type Rows = D1Result<Record<string, unknown>>[];

/** Runs before the `call`-th call (from 1) of the database; it may throw in its place. */
type Before = (call: number, database: Production) => Promise<void> | void;

export interface ProductionOptions {
	/** Whether reads move the bookmark too. Cloudflare does not say. */
	readsMoveBookmarks?: boolean;
	before?: Before;
	/** What D1 reports about a call instead of the truth: `total_attempts`, a different `size_after`. */
	meta?(call: number): object;
}

/**
 * The test database with the bookmarks and the change counter it would have on Cloudflare: bookmarks
 * move with writes, and the counter restarts with the database's object, which {@link reset} ends.
 * Tests must write with {@link write}.
 */
export class Production {
	readonly #database: D1Database;
	readonly #options: ProductionOptions;
	#calls = 0;
	/** The number in the bookmark. */
	#version = 1;
	/** The change counter when the object started. */
	#start = 0;
	#last = 0;

	constructor(database: D1Database, options: ProductionOptions = {}) {
		this.#database = database;
		this.#options = options;
	}

	/** Calls of the engine so far. */
	get calls(): number {
		return this.#calls;
	}

	/** Runs another client's statements as one transaction. */
	async write(...statements: string[]): Promise<void> {
		await this.#database.batch(statements.map((sql) => this.#database.prepare(sql)));
		this.moveBookmark();
	}

	moveBookmark(): void {
		this.#version++;
	}

	/** Restarts the object: the next call sees a change counter of 0. */
	async reset(): Promise<void> {
		await this.#run([this.#database.prepare('SELECT total_changes() AS changes')]);
		this.#start = this.#last;
	}

	/** The binding to give to the engine. */
	get binding(): D1Database {
		return new Proxy(this.#database, {
			get: (target) => () => ({
				prepare: (sql: string) => target.prepare(sql),
				batch: (statements: D1PreparedStatement[]) => this.#batch(statements),
				getBookmark: () => this.#bookmark(),
			}),
		});
	}

	async #batch(statements: D1PreparedStatement[]): Promise<Rows> {
		const call = ++this.#calls;
		await this.#options.before?.(call, this);
		const results = await this.#run(statements);
		if (this.#options.readsMoveBookmarks) this.moveBookmark();
		return results.map((result) => ({
			...result,
			meta: { ...result.meta, ...this.#options.meta?.(call) },
			results: result.results.map((row) =>
				'changes' in row ? { ...row, changes: this.#last - this.#start } : row,
			),
		}));
	}

	/** Also updates the change counter, without the changes that local bookmarks cause. */
	async #run(statements: D1PreparedStatement[]): Promise<Rows> {
		const session = this.#database.withSession('first-primary');
		const results = await session.batch<Record<string, unknown>>(statements);
		const changes = results.map(({ results: [row] }) => row?.['changes']).find(Number.isInteger);
		const [, count = ''] = /^0{8}-([0-9a-f]{8})-/.exec(session.getBookmark() ?? '') ?? [];
		if (changes !== undefined) this.#last = Number(changes) - Number.parseInt(count, 16);
		return results;
	}

	#bookmark(): string {
		const [version, hash] = [8, 32].map((width) => this.#version.toString(16).padStart(width, '0'));
		return `0000007b-${version}-00001538-${hash?.replace(/^0/, 'f')}`;
	}
}
