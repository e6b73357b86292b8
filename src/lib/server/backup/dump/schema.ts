import { SEQUENCE } from '../sql.ts';
// What a database's schema says, as far as a dump needs it.

/** A row of `sqlite_schema` that a backup carries. */
export interface SchemaObject {
	type: 'table' | 'index' | 'view' | 'trigger';
	name: string;
	/** The table or view that an index or trigger belongs to. */
	table: string;
	sql: string;
}

/** One part of the key that a table's rows are ordered by. */
export interface KeyPart {
	column: string;
	/** Where the column stands among those that an INSERT names. */
	index: number;
	descending: boolean;
	/** Null where the column's own collation is the key's. */
	collation: string | null;
}

/**
 * How to walk a table in a stable order: by its rowid (`name` is the word that reaches it), by the
 * primary key of a WITHOUT ROWID table, or, where ordinary columns took all three names of the
 * rowid, by position.
 */
export type Key =
	{ kind: 'rowid'; name: string } | { kind: 'columns'; parts: KeyPart[] } | { kind: 'position' };

/** A table whose rows a backup carries. */
export interface Table {
	name: string;
	/** Columns that an INSERT may name: all but generated ones. */
	columns: string[];
	/** Those of them whose affinity lets them hold text, blobs and NULLs only. */
	textColumns: ReadonlySet<string>;
	/** Set when the rowid is no column of the table and has to be written beside them. */
	rowid: string | null;
	key: Key;
}

/** A full-text table whose index is made from the contents of another table or view. */
export interface ExternalFullText {
	name: string;
	content: string;
}

/** Everything that the schema says, in the order in which `sqlite_schema` says it. */
export interface Catalog {
	objects: SchemaObject[];
	/** Tables with rows of their own: ordinary ones, virtual ones, `sqlite_sequence` if there is one. */
	tables: Table[];
	/** FTS5 tables to be filled by a rebuild. */
	externalFullText: ExternalFullText[];
	/** Own-content and external FTS5 tables: name -> options set through the `rank` column. */
	fullText: string[];
	/** Tables that foreign keys point at, by lower-cased name of the table that holds the key. */
	references: Map<string, ForeignKey[]>;
	/** What this backup cannot carry, as sentences for people. */
	warnings: string[];
	/** SHA-256 over all objects; line ends count as LF, which restoring tools turn CR LF into. */
	sha256: string;
	/**
	 * SHA-256 over `sqlite_schema` in its own order, with where each object lies in the file: it tells
	 * this schema from one that reads the same, as after two tables have swapped their names.
	 */
	identity: string;
	/** The table by which a restore says that it has not ended; null where there is none. */
	unfinished: string | null;
}

export interface ForeignKey {
	parent: string;
	/** The parent's columns; null where the key means the parent's primary key. */
	columns: (string | null)[];
}

/** SQLite's own table of AUTOINCREMENT counters: rows to be kept like any other. */
export const SEQUENCE_TABLE: Table = {
	name: SEQUENCE,
	columns: ['name', 'seq'],
	textColumns: new Set(),
	rowid: null,
	key: { kind: 'rowid', name: 'rowid' },
};
