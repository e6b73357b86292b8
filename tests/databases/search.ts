import fc from 'fast-check';
import { chance, pick, pickAny, some, times, upTo, type Draw } from './draw.ts';
import { names, Scope } from './names.ts';
import { identifier, join, sql, text, type Sql } from './sql.ts';
import type { Table } from './table.ts';
import { anything, texts } from './values.ts';

/** Statements for full-text search, grouped by when they must run. */
export interface Search {
	beforeRows: Sql[];
	afterRows: Sql[];
}

const shadows = ['', '_data', '_idx', '_content', '_docsize', '_config'];

/** Sometimes an FTS5 table: with its own rows, over a table's rows, or contentless. */
export function search(draw: Draw, tables: Table[], objects: Scope): Search {
	if (!chance(draw, 30)) return { beforeRows: [], afterRows: [] };
	const name = objects.unique(draw(names), shadows);
	const table = pickAny(
		draw,
		tables.filter((table) => readable(table, name)),
	);
	const form = pick(draw, ['own', 'external', 'external', 'contentless']);
	if (form === 'external' && table) return external(draw, name, table, objects);
	return { beforeRows: [], afterRows: own(draw, name, form === 'contentless') };
}

// FTS5 finds rows by "rowid" unless a column is configured.
function readable(table: Table, search: string): boolean {
	const alias = table.columns.some(({ name }) => name === table.rowid);
	return (alias || table.rowid === 'rowid') && searchable(table, search).length > 0;
}

// A search table has columns of its own: its name, rank and rowid.
function searchable(table: Table, search: string): string[] {
	const taken = ['', 'rank', 'rowid', '_rowid_', 'oid', search.toLowerCase()];
	const names = table.columns.filter(({ values }) => values).map(({ name }) => name);
	return names.filter((name) => !taken.includes(name.toLowerCase()));
}

const options = [
	...[[], [], ["tokenize='porter unicode61'"], ["prefix='2 3'"], ["tokenize='trigram'"]],
	...[
		['detail=none'],
		['detail=column'],
		['columnsize=0'],
		[`tokenize="unicode61 tokenchars '-_'"`],
	],
];

function creation(draw: Draw, name: string, columns: string[], content: string[]): Sql {
	const unindexed = chance(draw, 15) ? ['"not; searched" UNINDEXED'] : [];
	const own = content.length === 0 ? unindexed : [];
	const parts = [...columns.map(identifier), ...own, ...content, ...pick(draw, options)];
	return sql`CREATE VIRTUAL TABLE ${identifier(name)} USING ${pick(draw, ['fts5', 'FTS5'])}(${parts.join(', ')})`;
}

function own(draw: Draw, name: string, contentless: boolean): Sql[] {
	const scope = new Scope(['rank', 'rowid', name, 'not; searched', '']);
	const columns = times(1 + upTo(draw, 2), () => scope.unique(draw(names)));
	const into = `${identifier(name)} (rowid, ${columns.map(identifier).join(', ')})`;
	const rows = draw(someRowids).map((rowid) => {
		const values = join(
			[rowid, ...columns.map(() => draw(pick(draw, [texts, texts, anything])))],
			', ',
		);
		return sql`INSERT INTO ${into} VALUES (${values})`;
	});
	return [
		creation(draw, name, columns, contentless ? ["content=''"] : []),
		...rows,
		...configuration(draw, name),
	];
}

const uniqueRowids = fc
	.uniqueArray(fc.oneof(fc.bigInt(1n, 30n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)), {
		maxLength: 12,
	})
	.map((rowids) => rowids.map(String));
const someRowids = () => uniqueRowids;

// Settings that FTS5 keeps with its data.
function configuration(draw: Draw, name: string): Sql[] {
	const table = identifier(name);
	const [option, value] = pick<readonly [string, string]>(draw, [
		['', ''],
		['', ''],
		['', ''],
		['rank', `'bm25(10.0, 5.0)'`],
		['pgsz', '64'],
		['automerge', '8'],
	]);
	return option
		? [sql`INSERT INTO ${table} (${table}, rank) VALUES (${text(option)}, ${value})`]
		: [];
}

function external(draw: Draw, name: string, table: Table, objects: Scope): Search {
	const all = searchable(table, name);
	const chosen = some(draw, all).slice(0, 3);
	const columns = chosen.length > 0 ? chosen : all.slice(0, 1);
	const rowid = table.rowid ?? '';
	const content = [`content=${identifier(table.name)}`];
	if (rowid !== 'rowid') content.push(`content_rowid=${identifier(rowid)}`);
	const create = [creation(draw, name, columns, content), ...configuration(draw, name)];
	if (chance(draw, 50)) {
		return {
			beforeRows: [...create, ...following(draw, name, table, columns, objects)],
			afterRows: [],
		};
	}
	const rebuild = sql`INSERT INTO ${identifier(name)} (${identifier(name)}) VALUES ('rebuild')`;
	return { beforeRows: [], afterRows: [...create, rebuild] };
}

// Triggers that keep the index up to date, from https://sqlite.org/fts5.html#external_content_tables
function following(
	draw: Draw,
	name: string,
	table: Table,
	columns: string[],
	objects: Scope,
): Sql[] {
	const on = identifier(table.name);
	const index = identifier(name);
	const fields = ['rowid', ...columns.map(identifier)].join(', ');
	const of = (row: string) =>
		[table.rowid ?? '', ...columns].map((column) => `${row}.${identifier(column)}`).join(', ');
	const add = `INSERT INTO ${index} (${fields}) VALUES (${of('new')});`;
	const remove = `INSERT INTO ${index} (${index}, ${fields}) VALUES ('delete', ${of('old')});`;
	const trigger = (event: string, body: string) =>
		sql`CREATE TRIGGER ${identifier(objects.unique(draw(names)))} AFTER ${event} ON ${on} BEGIN ${body} END`;
	return [trigger('INSERT', add), trigger('DELETE', remove), trigger('UPDATE', `${remove} ${add}`)];
}
