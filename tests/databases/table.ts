import type { Sql } from './sql.ts';
import { anything, blobs, doubles, integers, texts, type Values } from './values.ts';

// The parts of a generated table, and its possible kinds of columns.

export interface Column {
	name: string;
	type: string;
	/** What follows name and type in the definition. */
	constraints: string[];
	/** The values of rows. Columns that SQLite computes or that refer to other rows have none. */
	values: Values[] | undefined;
	/** An expression of the row number `i` that differs from row to row. */
	numbered: string;
	/** Part of a primary key. */
	key: boolean;
	generated: boolean;
}

/** Columns that another table may refer to. */
export interface Key {
	table: Table;
	columns: Column[];
	primary: boolean;
}

export interface ForeignKey {
	columns: Column[];
	parent: Key;
	/** A reference that every row must have from the start. */
	required: boolean;
}

export interface Table {
	name: string;
	columns: Column[];
	strict: boolean;
	withoutRowid: boolean;
	autoincrement: boolean;
	/** The column or name that reaches the rowid, if any. */
	rowid: string | undefined;
	/** Constraints after the columns. */
	clauses: string[];
	keys: Key[];
	foreignKeys: ForeignKey[];
	/** Statements for UNIQUE indexes, which must exist before the rows. */
	uniqueIndexes: Sql[];
}

export interface Kind {
	types: readonly string[];
	strict: string;
	values: Values;
	numbered: string;
}

const mixed = `CASE i % 3 WHEN 0 THEN i WHEN 1 THEN i / 8.0 ELSE 'key ' || i END`;

// One for each affinity.
export const kinds = {
	integer: {
		types: ['INTEGER', 'INT', 'BIGINT', 'FLOATING POINT'],
		strict: 'INTEGER',
		values: integers,
		numbered: 'i * 7 - 50',
	},
	text: {
		types: ['TEXT', 'VARCHAR(20)', 'CLOB'],
		strict: 'TEXT',
		values: texts,
		// Wider from row to row.
		numbered: `i || replace(hex(zeroblob(i)), '00', ' it''s')`,
	},
	real: {
		types: ['REAL', 'DOUBLE PRECISION', 'FLOAT'],
		strict: 'REAL',
		values: doubles,
		numbered: 'i / 8.0',
	},
	blob: {
		types: ['BLOB'],
		strict: 'BLOB',
		values: blobs,
		numbered: `CAST('key ' || i AS BLOB)`,
	},
	none: { types: [''], strict: 'ANY', values: anything, numbered: mixed },
	numeric: {
		types: ['NUMERIC', 'DECIMAL(10, 2)', 'BOOLEAN', 'DATETIME', '"odd; type"'],
		strict: 'ANY',
		values: anything,
		numbered: mixed,
	},
} satisfies Record<string, Kind>;

export const anyKind: readonly Kind[] = Object.values(kinds);
