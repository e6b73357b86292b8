import { chance, pick, pickAny, some, times, upTo, type Draw } from './draw.ts';
import { names, type Scope } from './names.ts';
import { identifier, sql, type Sql } from './sql.ts';
import type { Table } from './table.ts';

// SQLite keeps a comment at the end of these statements as part of them.
const endings = ['', '', '', ' -- the end', `\n-- it's; "over"`, ' /* done; */'];

/** Statements for indexes of all kinds on a table that may already have rows. */
export function indexes(draw: Draw, table: Table, objects: Scope): Sql[] {
	return times(pick(draw, [0, 0, 1, 2]), () => {
		const name = identifier(objects.unique(draw(names)));
		const target = pickAny(draw, table.columns)?.name ?? '';
		return sql`CREATE INDEX ${name} ON ${identifier(table.name)} ${index(draw, table, identifier(target))}${pick(draw, endings)}`;
	});
}

function index(draw: Draw, table: Table, column: string): string {
	const chosen = some(draw, table.columns, 30).slice(0, 4);
	const parts = chosen.map(
		({ name }) =>
			identifier(name) + pick(draw, ['', ' DESC', ' COLLATE NOCASE', ' COLLATE RTRIM DESC']),
	);
	return pick(draw, [
		`(${[column, ...parts].join(', ')})`,
		`(${column} COLLATE NOCASE DESC)`,
		`(length(${column}), ${column})`,
		`(${column} || '; it''s')`,
		`(${column}) WHERE ${column} IS NOT NULL AND ${column} <> 'END;'`,
		`(CASE WHEN ${column} IS NULL THEN 0 ELSE 1 END) WHERE typeof(${column}) = 'text'`,
	]);
}

/** Statements for views, over tables, over each other, over nothing; and INSTEAD OF triggers. */
export function views(draw: Draw, tables: Table[], objects: Scope): Sql[] {
	const made: string[] = [];
	return times(pick(draw, [0, 0, 1, 2, 3]), () => {
		const name = objects.unique(draw(names));
		const source = view(draw, tables, made);
		made.push(name);
		const trigger = chance(draw, 30) ? [insteadOf(draw, name, tables, objects)] : [];
		return [sql`CREATE VIEW ${identifier(name)} ${source}${pick(draw, endings)}`, ...trigger];
	}).flat();
}

function view(draw: Draw, tables: Table[], made: string[]): string {
	const table = pickAny(draw, tables);
	const from = identifier(pickAny(draw, made) ?? table?.name ?? '');
	const [on, column] = [identifier(table?.name ?? ''), identifier(table?.columns[0]?.name ?? '')];
	return pick(draw, [
		`AS SELECT * FROM ${from}`,
		`("a;", "it's") AS SELECT ${column}, 'x; END' FROM ${on}`,
		`AS SELECT CASE WHEN ${column} IS NULL THEN '-- none' ELSE ${column} END AS x\n\tFROM ${on}`,
		`AS WITH c AS (SELECT count(*) AS n FROM ${from}) SELECT n FROM c /* a; comment */`,
		`AS SELECT 1 AS a UNION ALL SELECT 2`,
		'AS SELECT * FROM "no such table"',
	]);
}

function insteadOf(draw: Draw, view: string, tables: Table[], objects: Scope): Sql {
	const name = identifier(objects.unique(draw(names)));
	const event = pick(draw, ['INSERT', 'UPDATE', 'DELETE']);
	return sql`CREATE TRIGGER ${name} INSTEAD OF ${event} ON ${identifier(view)} ${body(draw, tables)}`;
}

/** Statements for triggers that would do harm if they fired during a restore. */
export function triggers(draw: Draw, tables: Table[], objects: Scope): Sql[] {
	return times(pick(draw, [0, 0, 1, 2, 3]), () => {
		const table = pickAny(draw, tables);
		const column = identifier(table?.columns[0]?.name ?? '');
		const name = identifier(objects.unique(draw(names)));
		const event = pick(draw, ['INSERT', 'INSERT', 'UPDATE', `UPDATE OF ${column}`, 'DELETE']);
		const time = pick(draw, ['BEFORE', 'AFTER', '']);
		const row = event === 'DELETE' ? 'OLD' : 'NEW';
		const when = pick(draw, ['', 'FOR EACH ROW ', `WHEN ${row}.${column} IS NOT 'x; END' `]);
		return sql`CREATE TRIGGER ${name} ${time} ${event} ON ${identifier(table?.name ?? '')} ${when}${body(draw, tables)}`;
	});
}

function body(draw: Draw, tables: Table[]): string {
	const actions = times(1 + upTo(draw, 2), () => action(draw, tables));
	const separator = pick(draw, ['\n', ' ', `\n-- it's; END;\n`, ' /* END; */ ']);
	return ['BEGIN', ...actions, 'END'].join(separator);
}

function action(draw: Draw, tables: Table[]): string {
	const table = pickAny(draw, tables);
	const on = identifier(table?.name ?? '');
	const column = identifier(table?.columns.find(({ generated }) => !generated)?.name ?? '');
	return pick(draw, [
		`DELETE FROM ${on};`,
		`UPDATE ${on} SET ${column} = NULL WHERE ${column} IS NOT 'END;';`,
		`INSERT OR REPLACE INTO ${on} (${column}) VALUES ('it''s; END');`,
		"SELECT RAISE(ABORT, 'no; never -- here');",
		'SELECT RAISE(IGNORE);',
		`SELECT CASE WHEN 1 THEN 'END;' ELSE CASE 2 WHEN 2 THEN "${"it's"}" END END FROM (SELECT 1 AS "it's");`,
		`INSERT INTO "no such table" VALUES ('; END');`,
	]);
}
