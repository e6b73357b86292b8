import fc from 'fast-check';
import { chance, type Draw, pick, some, times, upTo } from './draw.ts';
import { databases } from './generate.ts';
import { inserted, KEYED_TABLES, type KeyedTable, made } from './keyed-tables.ts';
import type { Sql } from './sql.ts';

/*
 * Databases that change: what an app, a migration or an import does between two backups. No statement
 * needs to know what is in the database.
 */

/** What happens to a database between two backups. */
export interface Change {
	title: string;
	statements: Sql[];
}

export interface History {
	/** Statements that make the database. */
	first: Sql[];
	changes: Change[];
}

/** Random histories of 1 to `most` changes. */
export function histories(most: number): fc.Arbitrary<History> {
	return fc.oneof(
		{ weight: 5, arbitrary: fc.gen().map((draw) => history(draw, most)) },
		{
			weight: 1,
			arbitrary: fc.tuple(databases(), fc.integer({ min: 1, max: most })).map(beginnings),
		},
	);
}

function history(draw: Draw, most: number): History {
	const tables = some(draw, KEYED_TABLES, 35);
	if (tables.length === 0) tables.push(pick(draw, KEYED_TABLES));
	return {
		first: tables.flatMap(made).map((statement) => [statement]),
		changes: times(1 + upTo(draw, most - 1), (number) => change(draw, pick(draw, tables), number)),
	};
}

/**
 * A random database as it gets its rows, with every kind of object and value. Its tables are there at first,
 * with the indexes that foreign keys need.
 */
function beginnings([{ statements }, count]: [{ statements: Sql[] }, number]): History {
	const rows = statements.findIndex(([text]) => !String(text).startsWith('CREATE'));
	const start = rows === -1 ? statements.length : rows;
	const size = Math.ceil((statements.length - start) / count);
	const parts = times(count, (at) => statements.slice(start + at * size, start + (at + 1) * size));
	return {
		first: statements.slice(0, start),
		changes: parts.map((part) => ({ title: 'more statements', statements: part })),
	};
}

/** The kinds of changes. */
const CHANGES = {
	nothing: () => [],
	'rows at the end': (draw, table) =>
		inserted(table, `${most(table)} + i * 10`, pick(draw, [1, 8, 60])),
	'rows at the start': (draw, table) =>
		inserted(table, `${least(table)} - i * 10`, pick(draw, [1, 8, 60])),
	'rows in a gap': (draw, table) =>
		inserted(table, `${within(table, upTo(draw, 99))} + i * 10`, pick(draw, [1, 8, 60])),
	'a bulk load': (_, table) => inserted(table, `${most(table)} + i * 37`, 2 * table.rows),
	'some rows updated': (draw, table) => [
		`UPDATE ${table.name} SET v = 'changed ' || p ${chosen(draw, table)}`,
	],
	'some rows grown': (draw, table) => [
		`UPDATE ${table.name} SET v = v || hex(zeroblob(${pick(draw, [1, 400, 3000])})) ${chosen(draw, table)}`,
	],
	'other keys': (draw, table) => [rekeyed(table, pick(draw, [7, -40_007]), chosen(draw, table))],
	'some rows deleted': (draw, table) => [`DELETE FROM ${table.name} ${chosen(draw, table)}`],
	'no rows': (_, table) => [`DELETE FROM ${table.name}`],
	'another schema': (draw, table, number) => migration(draw, table, number),
} satisfies Record<string, (draw: Draw, table: KeyedTable, number: number) => string[]>;

const TITLES = Object.keys(CHANGES) as (keyof typeof CHANGES)[];

function change(draw: Draw, table: KeyedTable, number: number): Change {
	const title = pick(draw, TITLES);
	// Migrations are rare, and make the next backup a full one.
	const kind = title === 'another schema' && chance(draw, 60) ? 'rows at the end' : title;
	const statements = CHANGES[kind](draw, table, number);
	return { title: `${kind}: ${table.name}`, statements: statements.map((sql) => [sql]) };
}

function migration(draw: Draw, { name, virtual }: KeyedTable, number: number): string[] {
	const others = [
		`CREATE VIEW seen_${number} AS SELECT * FROM ${name}`,
		`CREATE TABLE made_${number} AS SELECT p, v FROM ${name} LIMIT 30`,
	];
	const own = [
		`ALTER TABLE ${name} ADD COLUMN added_${number} TEXT DEFAULT 'it''s; new'`,
		`CREATE INDEX index_${number} ON ${name} (p, v)`,
	];
	return [pick(draw, virtual ? others : [...own, ...others])];
}

function rekeyed({ name, key }: KeyedTable, distance: number, where: string): string {
	const place = `(p + ${distance})`;
	const columns = Object.entries(key).map(([column, value]) => `${column} = ${value(place)}`);
	return `UPDATE OR IGNORE ${name} SET ${[...columns, `p = ${place}`].join(', ')} ${where}`;
}

/** Which rows: one, neighbours, or some of all. */
function chosen(draw: Draw, table: KeyedTable): string {
	const from = upTo(draw, 99);
	const neighbours = (percent: number) =>
		`WHERE p BETWEEN ${within(table, from)} AND ${within(table, from + percent)}`;
	return pick(draw, [
		`WHERE p = (SELECT min(p) FROM ${table.name} WHERE p >= ${within(table, from)})`,
		neighbours(5),
		neighbours(40),
		`WHERE p / 10 % 29 = ${upTo(draw, 28)}`,
		`WHERE p / 10 % 3 = ${upTo(draw, 2)}`,
	]);
}

function least({ name }: KeyedTable): string {
	return `(SELECT ifnull(min(p), 0) FROM ${name})`;
}

function most({ name }: KeyedTable): string {
	return `(SELECT ifnull(max(p), 0) FROM ${name})`;
}

/** The place after this share of all places. */
function within({ name }: KeyedTable, percent: number): string {
	return `(SELECT ifnull(min(p) + (max(p) - min(p)) * ${percent} / 100, 0) FROM ${name})`;
}
