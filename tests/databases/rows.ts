import fc from 'fast-check';
import { chance, pick, pickAny, times, upTo, type Draw } from './draw.ts';
import { identifier, join, sql, text, type Sql } from './sql.ts';
import type { Column, ForeignKey, Table } from './table.ts';
import { anything, counting, integers, longTexts } from './values.ts';

// INSERT OR IGNORE leaves out what a constraint forbids: SQLite itself judges which values fit.

/** Statements that fill a table, make a value of it long, and remove some rows again. */
export function rows(draw: Draw, table: Table): Sql[] {
	const explicit = table.rowid !== undefined && chance(draw, 50);
	const wide = table.columns.length > 30;
	const counts = wide ? [1, 0, 3] : [0, 1, 2, 3, 5, 8, 13, 20];
	const single = times(pick(draw, counts), () => insertion(draw, table, explicit));
	const bulk = !wide && chance(draw, 8) ? [manyRows(draw, table, explicit)] : [];
	return [
		...single,
		...bulk,
		...growth(draw, table),
		...removals(draw, table),
		...counter(draw, table),
	];
}

type Cell = [column: string, value: Sql];

function insertion(draw: Draw, table: Table, explicit: boolean): Sql {
	if (!explicit && !table.strict && chance(draw, 5)) return nothingInto(table);
	const cells = held(table).map(({ column, of }): Cell => [column.name, of(draw)]);
	if (table.rowid !== undefined && explicit) cells.unshift([table.rowid, draw(rowids)]);
	if (cells.length === 0) return nothingInto(table);
	return sql`${into(table, cells)} VALUES (${valuesOf(cells)})`;
}

function nothingInto(table: Table): Sql {
	return [`INSERT OR IGNORE INTO ${identifier(table.name)} DEFAULT VALUES`];
}

function into(table: Table, cells: Cell[]): string {
	const columns = cells.map(([column]) => identifier(column)).join(', ');
	return `INSERT OR IGNORE INTO ${identifier(table.name)} (${columns})`;
}

function valuesOf(cells: Cell[]): Sql {
	const values = cells.map(([, value]) => value);
	return join(values, ', ');
}

// Sparse, negative and extreme.
const someRowids = fc.oneof(
	fc.bigInt(-50n, 50n).map((rowid): Sql => [String(rowid)]),
	fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((rowid): Sql => [String(rowid)]),
	integers(),
);
const rowids = () => someRowids;

interface Held {
	column: Column;
	of: (draw: Draw) => Sql;
}

// The columns that an INSERT names: those with values, and references that cannot wait.
function held(table: Table): Held[] {
	return table.columns.flatMap((column) => {
		const { values } = column;
		if (values) return [{ column, of: (draw: Draw) => cell(draw, values) }];
		const required = table.foreignKeys.find((key) => key.required && key.columns[0] === column);
		return required ? [{ column, of: (draw: Draw) => sql`(${referred(draw, required)})` }] : [];
	});
}

function cell(draw: Draw, values: NonNullable<Column['values']>): Sql {
	return chance(draw, 8) ? ['NULL'] : draw(pick(draw, values));
}

function referred(draw: Draw, { parent }: ForeignKey): string {
	const columns = parent.columns.map(({ name }) => identifier(name)).join(', ');
	const offset = String(pick(draw, [0, 1, 2, 5]));
	return `SELECT ${columns} FROM ${identifier(parent.table.name)} NOT INDEXED LIMIT 1 OFFSET ${offset}`;
}

// Enough rows for several pages, from one statement.
function manyRows(draw: Draw, table: Table, explicit: boolean): Sql {
	const count = 200 + upTo(draw, 400);
	const cells = held(table).map(({ column, of }): Cell => {
		const value = of(draw);
		const differing = sql`CASE i % 50 WHEN 7 THEN ${value} ELSE ${column.numbered} END`;
		return [column.name, column.values ? differing : value];
	});
	const spread = ['i * 3 - 500', '9223372036854775807 - i', 'i - 9223372036854775807'];
	if (table.rowid !== undefined && explicit) cells.unshift([table.rowid, [pick(draw, spread)]]);
	if (cells.length === 0) return nothingInto(table);
	return sql`${counting(count)} ${into(table, cells)} SELECT ${valuesOf(cells)} FROM counting`;
}

// Long values in keys are a named case; generated here, they would be in every other database.
function growth(draw: Draw, table: Table): Sql[] {
	if (!chance(draw, 5)) return [];
	const able = ['ANY', 'TEXT', 'BLOB'];
	const column = pickAny(
		draw,
		table.columns.filter(
			({ key, values, type }) => !key && values && (!table.strict || able.includes(type)),
		),
	);
	if (!column) return [];
	const long = draw(longTexts);
	const value = column.type === 'BLOB' ? sql`CAST(${long} AS BLOB)` : long;
	const rows = pick(draw, [' LIMIT 1', ' LIMIT 1 OFFSET 2', ' LIMIT 3']);
	const set = sql`${identifier(column.name)} = ${isDocument(column) ? sql`json_quote(${value})` : value}`;
	return [sql`UPDATE OR IGNORE ${identifier(table.name)} SET ${set}${rows}`];
}

function isDocument(column: Column): boolean {
	return column.constraints.some((constraint) => constraint.includes('json_valid'));
}

function removals(draw: Draw, table: Table): Sql[] {
	const from = `DELETE FROM ${identifier(table.name)}`;
	const last = table.autoincrement ? ` ORDER BY ${identifier(table.rowid ?? '')} DESC LIMIT 2` : '';
	if (!chance(draw, 25)) return [];
	return [[from + pick(draw, [' LIMIT 1', ' LIMIT 2 OFFSET 1', ' LIMIT 100 OFFSET 3', last])]];
}

function counter(draw: Draw, table: Table): Sql[] {
	if (!table.autoincrement || !chance(draw, 20)) return [];
	const seq = pick(draw, ['100', '9007199254740993', '9223372036854775807']);
	return [sql`UPDATE sqlite_sequence SET seq = ${seq} WHERE name = ${text(table.name)}`];
}

/**
 * Statements that make rows refer to rows, once all exist: to later ones, earlier ones, in circles, to
 * themselves.
 */
export function references(draw: Draw, table: Table): Sql[] {
	const open = table.foreignKeys.filter((key) => !key.required);
	return open.flatMap((key) =>
		times(upTo(draw, 3), (): Sql => {
			const columns = key.columns.map(({ name }) => identifier(name)).join(', ');
			const set = `(${columns}) = (${referred(draw, key)})`;
			const offset = String(upTo(draw, 5));
			const some = pick(draw, ['', ` LIMIT 1 OFFSET ${offset}`, ` LIMIT 3 OFFSET ${offset}`]);
			return sql`UPDATE OR IGNORE ${identifier(table.name)} SET ${set}${some}`;
		}),
	);
}

/** Columns added to tables that have rows: SQLite fills in their values on reading. */
export function additions(draw: Draw, table: Table, name: string): Sql[] {
	if (table.columns.length >= 100 || !chance(draw, 8)) return [];
	const type = table.strict ? 'ANY' : pick(draw, ['', 'TEXT', 'INTEGER', 'REAL', 'BLOB']);
	const rule = pick(draw, [
		'DEFAULT 5',
		`NOT NULL DEFAULT 'it''s; new'`,
		'DEFAULT 1.0',
		`DEFAULT X'00'`,
		'',
		`AS ('it''s; made') VIRTUAL`,
	]);
	table.columns.push({
		name,
		type,
		constraints: [rule],
		values: rule.startsWith('AS') ? undefined : [anything],
		numbered: 'i',
		key: false,
		generated: rule.startsWith('AS'),
	});
	return [[`ALTER TABLE ${identifier(table.name)} ADD COLUMN ${identifier(name)} ${type} ${rule}`]];
}
