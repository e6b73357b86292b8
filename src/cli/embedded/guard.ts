import { constants, type DatabaseSync } from 'node:sqlite';

/*
 * What the SQL of a file may do to a connection of Node's SQLite. It may change the database of the
 * connection in any way, and reach nothing else: no other file, no extension, no setting of the process.
 */

/** Settings that change what a statement means, and questions about the database. */
const PRAGMAS = new Set([
	...['application_id', 'user_version', 'schema_version', 'data_version'],
	...['automatic_index', 'case_sensitive_like', 'cell_size_check', 'defer_foreign_keys'],
	...['foreign_keys', 'ignore_check_constraints', 'legacy_alter_table', 'query_only'],
	...['recursive_triggers', 'reverse_unordered_selects', 'trusted_schema', 'writable_schema'],
	...[
		'collation_list',
		'compile_options',
		'database_list',
		'foreign_key_check',
		'foreign_key_list',
	],
	...['freelist_count', 'function_list', 'index_info', 'index_list', 'index_xinfo'],
	...['integrity_check', 'module_list', 'page_count', 'pragma_list', 'quick_check', 'table_info'],
	...['table_list', 'table_xinfo'],
]);

/**
 * Settings of how SQLite works, which change no contents: a file's values are skipped, so that it decides
 * neither how much memory nor which other files are used.
 */
const SKIPPED_PRAGMAS = new Set([
	...['analysis_limit', 'auto_vacuum', 'busy_timeout', 'cache_size', 'cache_spill'],
	...['checkpoint_fullfsync', 'count_changes', 'default_cache_size', 'empty_result_callbacks'],
	...['encoding', 'full_column_names', 'fullfsync', 'hard_heap_limit', 'incremental_vacuum'],
	...['journal_mode', 'journal_size_limit', 'legacy_file_format', 'locking_mode'],
	...['max_page_count', 'mmap_size', 'optimize', 'page_size', 'read_uncommitted', 'secure_delete'],
	...['short_column_names', 'shrink_memory', 'soft_heap_limit', 'synchronous', 'temp_store'],
	...['threads', 'wal_autocheckpoint', 'wal_checkpoint'],
]);

/** Modules that keep what they hold in the database itself. */
const MODULES = new Set(['fts5', 'fts5vocab', 'fts4', 'fts3', 'rtree', 'rtree_i32']);

/** Functions that reach outside, of SQLite and of its shell. */
const FUNCTIONS = new Set(['load_extension', 'fts3_tokenizer', 'readfile', 'writefile', 'edit']);

/** Watches what the statements of a connection are about to do. */
export class Guard {
	readonly #connection: DatabaseSync;
	#vacuums = false;
	/** What was refused last, as the subject of a sentence; null if nothing was. */
	refused: string | null = null;

	/** From now on the connection refuses whatever reaches outside of its database. */
	constructor(connection: DatabaseSync) {
		this.#connection = connection;
		connection.setAuthorizer((action, first, second) => this.#decide(action, first, second));
	}

	/** Runs SQL. Throws SQLite's own error, also for what was {@link refused}. */
	run(sql: string): void {
		this.refused = null;
		// VACUUM attaches an unnamed temporary file itself; VACUUM INTO one with a name.
		this.#vacuums = /^VACUUM\b(?!.*\bINTO\b)/is.test(sql);
		this.#connection.exec(sql);
	}

	#decide(action: number, first: string | null, second: string | null): number {
		const refused = this.#whyNot(action, first ?? '', second ?? '');
		if (refused === SKIPPED) return constants.SQLITE_IGNORE;
		if (refused === null) return constants.SQLITE_OK;
		this.refused = refused;
		return constants.SQLITE_DENY;
	}

	#whyNot(action: number, first: string, second: string): string | typeof SKIPPED | null {
		switch (action) {
			case constants.SQLITE_ATTACH:
				return this.#vacuums && first === '' ? null : 'ATTACH';
			case constants.SQLITE_DETACH:
				return 'DETACH';
			case constants.SQLITE_PRAGMA:
				return whyNotPragma(first.toLowerCase(), second);
			case constants.SQLITE_CREATE_VTABLE:
				return MODULES.has(second.toLowerCase()) ? null : `A virtual table of ${second}`;
			case constants.SQLITE_FUNCTION:
				return FUNCTIONS.has(second.toLowerCase()) ? `The function ${second}` : null;
			default:
				return null;
		}
	}
}

const SKIPPED = Symbol('skipped');

/** Settings may be read, whichever they are. */
function whyNotPragma(name: string, value: string): string | typeof SKIPPED | null {
	if (SKIPPED_PRAGMAS.has(name)) return value === '' ? null : SKIPPED;
	return PRAGMAS.has(name) ? null : `PRAGMA ${name}`;
}
