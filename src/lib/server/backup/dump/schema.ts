import { SEQUENCE } from '../sql.ts';
import type { FullText } from '../virtual-table.ts';

// What a dump needs to know about a database's schema.

/** A row of `sqlite_schema` that a backup contains. */
export interface SchemaObject {
	type: 'table' | 'index' | 'view' | 'trigger';
	name: string;
	/** The table or view that an index or trigger belongs to. */
	table: string;
	sql: string;
	/** Whether it is a virtual table. */
	virtual: boolean;
}

/** One part of the key by which a table's rows are ordered. */
export interface KeyPart {
	column: string;
	/** The column's position among those that an INSERT names. */
	index: number;
	descending: boolean;
	/** Null if the key uses the column's own collation. */
	collation: string | null;
}

/**
 * How to walk a table in a stable order: by its rowid (`name` is the name to use for it, `index` the
 * position of the column that it is, if any), by the primary key of a WITHOUT ROWID table, or by
 * position if ordinary columns have taken all three names of the rowid.
 */
export type Key =
	| { kind: 'rowid'; name: string; index?: number }
	| { kind: 'columns'; parts: KeyPart[] }
	| { kind: 'position' };

/** A table whose rows a backup contains. */
export interface Table {
	name: string;
	/** Columns that an INSERT may name: all except generated ones. */
	columns: string[];
	/** Those of them with TEXT affinity, which hold only text, blobs and NULLs. */
	textColumns: ReadonlySet<string>;
	/** The name of the rowid if it is not one of the columns and has to be written too. */
	rowid: string | null;
	key: Key;
	/** A condition on the rows that a backup contains; null if it contains all. */
	only: string | null;
}

/** An FTS5 table. */
export interface FullTextTable {
	name: string;
	/** All columns, in their order. */
	columns: string[];
	options: FullText;
}

/** The whole schema, in the order of `sqlite_schema`. */
export interface Catalog {
	objects: SchemaObject[];
	/**
	 * Tables with rows of their own: ordinary ones, virtual ones, and `sqlite_sequence` if it exists.
	 */
	tables: Table[];
	fullText: FullTextTable[];
	/** The foreign keys of each table, by its folded name. */
	references: Map<string, ForeignKey[]>;
	/** What foreign keys may refer to in each ordinary table, by its folded name. */
	parents: Map<string, Parent>;
	/** What this backup cannot contain or a restore may change, as sentences for people. */
	warnings: string[];
	/** SHA-256 over all objects. CR LF counts as LF, because tools replace it on a restore. */
	sha256: string;
	/**
	 * SHA-256 over `sqlite_schema` in its own order, with each object's place in the file: it also
	 * changes when two tables of the same definition swap their names.
	 */
	identity: string;
	/** The table that marks an unfinished restore; null if there is none. */
	unfinished: string | null;
}

export interface ForeignKey {
	/** The table that has the key, and its columns. */
	child: string;
	from: string[];
	parent: string;
	/** The parent's columns; null if the key refers to the parent's primary key. */
	columns: (string | null)[];
}

/** What foreign keys may refer to in a table. */
export interface Parent {
	name: string;
	columns: string[];
	primaryKey: string[];
	/** The column of its primary key that is the rowid; null if there is none. */
	rowidAlias: string | null;
	uniqueIndexes: UniqueIndex[];
}

/** A UNIQUE index, or the index behind a PRIMARY KEY or UNIQUE constraint. */
export interface UniqueIndex {
	name: string;
	/** `c` if CREATE INDEX made it, `u` or `pk` for constraints (SQLite: PRAGMA index_list). */
	origin: string;
	partial: boolean;
	/** Null for an expression. */
	columns: (string | null)[];
}

/** The table of AUTOINCREMENT counters, whose rows are dumped like any others. */
export const SEQUENCE_TABLE: Table = {
	name: SEQUENCE,
	columns: ['name', 'seq'],
	textColumns: new Set(),
	rowid: null,
	key: { kind: 'rowid', name: 'rowid' },
	only: null,
};
