import { chance, pick, pickAny, some, times, upTo, type Draw } from './draw.ts';
import { names, Scope } from './names.ts';
import { identifier, sql, type Sql } from './sql.ts';
import { anyKind, kinds, type Column, type Key, type Table, type Kind } from './table.ts';
import { anything, documents } from './values.ts';
const rowidNames = ['rowid', '_rowid_', 'oid'];

/** One to six tables that refer to each other in any direction. */
export function tables(draw: Draw, objects: Scope): Table[] {
	const drafts = times(1 + upTo(draw, 5), () => table(draw, objects));
	for (const [at, draft] of drafts.entries()) {
		times(pick(draw, [0, 0, 1, 1, 2]), () => refer(draw, draft, drafts, at));
		if (chance(draw, 4)) widen(draw, draft);
	}
	return drafts;
}

function table(draw: Draw, objects: Scope): Table {
	const draft: Table = {
		name: objects.unique(draw(names)),
		columns: [],
		strict: chance(draw, 20),
		withoutRowid: false,
		autoincrement: false,
		rowid: undefined,
		clauses: [],
		keys: [],
		foreignKeys: [],
		uniqueIndexes: [],
	};
	const shadows = chance(draw, 15) ? shadowNames(draw) : [];
	for (const name of shadows) addColumn(draw, draft, name);
	times(upTo(draw, 5), () => addColumn(draw, draft));
	draft.rowid = rowidNames.find((name) => !shadows.includes(name));
	addPrimaryKey(draw, draft);
	if (draft.columns.length === 0) addColumn(draw, draft);
	for (const column of draft.columns) if (!column.key) constrain(draw, draft, column);
	if (chance(draw, 15)) addUniqueClause(draw, draft);
	if (chance(draw, 20)) addGenerated(draw, draft);
	if (chance(draw, 20)) addUniqueIndex(draw, draft, objects);
	if (chance(draw, 20)) draft.columns.reverse();
	return draft;
}

function shadowNames(draw: Draw): string[] {
	return chance(draw, 50) ? rowidNames : some(draw, rowidNames);
}

function columnScope(table: Table): Scope {
	return new Scope([...rowidNames, ...table.columns.map((column) => column.name)]);
}

function addColumn(
	draw: Draw,
	table: Table,
	name?: string,
	kind: Kind = pick(draw, anyKind),
): Column {
	const column: Column = {
		name: name ?? columnScope(table).unique(chance(draw, 2) ? '' : draw(names)),
		type: table.strict ? kind.strict : pick(draw, kind.types),
		constraints: [],
		// Where no type is enforced, a column also gets values of other types.
		values: table.strict ? [kind.values] : [kind.values, kind.values, anything],
		numbered: kind.numbered,
		key: false,
		generated: false,
	};
	table.columns.push(column);
	return column;
}

function addPrimaryKey(draw: Draw, table: Table): void {
	const shapes = [() => undefined, addAlias, addAlias, addNearAlias, addComposite, addComposite];
	pick(draw, shapes)(draw, table);
}

// The column that is the rowid. "PRIMARY KEY(x DESC)" makes one, "x INTEGER PRIMARY KEY DESC" does
// not: https://sqlite.org/lang_createtable.html#rowid
function addAlias(draw: Draw, table: Table): void {
	const name = chance(draw, 20) ? columnScope(table).unique(pick(draw, ['id', 'Id'])) : undefined;
	const column = addColumn(draw, table, name, kinds.integer);
	Object.assign(column, { type: 'INTEGER', key: true, values: undefined });
	table.autoincrement = chance(draw, 30);
	if (table.autoincrement) column.constraints.push('PRIMARY KEY AUTOINCREMENT');
	else if (chance(draw, 70))
		column.constraints.push(pick(draw, ['PRIMARY KEY', 'PRIMARY KEY ASC']));
	else table.clauses.push(`PRIMARY KEY (${identifier(column.name)}${pick(draw, ['', ' DESC'])})`);
	table.rowid = column.name;
	table.keys.push({ table, columns: [column], primary: true });
}

// One column that looks like a rowid alias but is not. In this table, NULL may be a key, even twice.
function addNearAlias(draw: Draw, table: Table): void {
	const kind = pick(draw, anyKind);
	const column = addColumn(draw, table, undefined, kind);
	column.key = true;
	column.constraints.push('PRIMARY KEY');
	if (column.type === 'INTEGER') column.constraints.push('DESC');
	table.keys.push({ table, columns: [column], primary: true });
}

function addComposite(draw: Draw, table: Table): void {
	table.withoutRowid = chance(draw, 75);
	if (table.withoutRowid) table.rowid = undefined;
	const least = table.withoutRowid ? 1 : 2;
	const columns = times(least + upTo(draw, 1), () => addColumn(draw, table));
	for (const column of columns) column.key = true;
	const parts = columns.map((column) => identifier(column.name) + part(draw));
	const conflict = pick(draw, ['', '', '', ' ON CONFLICT REPLACE']);
	table.clauses.push(`PRIMARY KEY (${parts.join(', ')})${conflict}`);
	// A parent key has to compare as its columns do: https://sqlite.org/foreignkeys.html
	const plain = !parts.some((text) => text.includes(' COLLATE '));
	if (plain) table.keys.push({ table, columns, primary: true });
}

function part(draw: Draw): string {
	return pick(draw, ['', '', ' COLLATE NOCASE', ' COLLATE RTRIM']) + pick(draw, ['', '', ' DESC']);
}

function constrain(draw: Draw, table: Table, column: Column): void {
	const { constraints } = column;
	if (chance(draw, 15)) constraints.push(pick(draw, ['NOT NULL', 'NOT NULL ON CONFLICT IGNORE']));
	if (chance(draw, 25)) constraints.push(`DEFAULT ${pick(draw, defaults)}`);
	if (chance(draw, 10)) constraints.push(`COLLATE ${pick(draw, ['NOCASE', 'RTRIM', 'BINARY'])}`);
	if (chance(draw, 15)) constraints.push(check(draw, identifier(column.name)));
	if (chance(draw, 6)) holdDocuments(column);
	if (chance(draw, 12)) {
		constraints.push(pick(draw, ['UNIQUE', 'UNIQUE', 'UNIQUE ON CONFLICT REPLACE']));
		table.keys.push({ table, columns: [column], primary: false });
	}
}

const defaults = [
	...['5', '-1.5e3', 'NULL', `'it''s; -- x'`, `X'00ff'`, 'TRUE', '-9223372036854775808'],
	...["('a' || 'b')", `(CASE WHEN 1 THEN 'END;' END)`, '(1 + 1)', `'a\nb'`],
];

function check(draw: Draw, column: string): string {
	const name = pick(draw, ['', '', 'CONSTRAINT "it\'s; a check" ']);
	const condition = pick(draw, [
		// Wrong for some lengths only: a row written piece by piece may fail half-way.
		`typeof(${column}) NOT IN ('text', 'blob') OR length(CAST(${column} AS BLOB)) NOT IN (3, 30000)`,
		`length(${column}) >= 0`,
		`${column} NOT IN ('no; never', '-- nor this', '/* nor that */')`,
		`CASE WHEN ${column} IS NULL THEN 1 ELSE ${column} IS NOT 'END;' END`,
		`typeof(${column}) <> 'real' OR ${column} <= 1e300`,
	]);
	return `${name}CHECK (${condition})`;
}

function holdDocuments(column: Column): void {
	if (!['', 'TEXT', 'CLOB', 'ANY'].includes(column.type)) return;
	const name = identifier(column.name);
	column.constraints.push(`CHECK (${name} IS NULL OR json_valid(${name}))`);
	column.values = [documents];
	column.numbered = `json_array(i, 'x')`;
}

function addUniqueClause(draw: Draw, table: Table): void {
	const columns = some(draw, table.columns).slice(0, 3);
	if (columns.length === 0) return;
	const parts = columns.map((column) => identifier(column.name) + pick(draw, ['', ' DESC']));
	table.clauses.push(`UNIQUE (${parts.join(', ')})`);
	table.keys.push({ table, columns, primary: false });
}

function addGenerated(draw: Draw, table: Table): void {
	const source = pickAny(draw, table.columns);
	if (!source) return;
	const of = identifier(source.name);
	// None may depend on how a double reads as text: that differs between versions of SQLite.
	const [expression, type] = pick<readonly [string, string]>(draw, [
		[`typeof(${of})`, 'TEXT'],
		[`${of} IS NULL`, 'INTEGER'],
		[`CASE WHEN typeof(${of}) IN ('text', 'blob') THEN substr(${of}, 1, 3) END`, 'ANY'],
		[`CASE typeof(${of}) WHEN 'real' THEN 'it''s; END' ELSE hex(substr(${of}, 1, 4)) END`, 'TEXT'],
		[`CASE WHEN typeof(${of}) <> 'real' THEN length(${of}) END`, 'INTEGER'],
	]);
	const column = addColumn(draw, table);
	if (table.strict) column.type = type;
	const always = pick(draw, ['GENERATED ALWAYS ', '']);
	column.constraints = [`${always}AS (${expression}) ${pick(draw, ['VIRTUAL', 'STORED'])}`];
	column.values = undefined;
	column.generated = true;
}

function addUniqueIndex(draw: Draw, table: Table, objects: Scope): void {
	const column = pickAny(draw, table.columns);
	if (!column) return;
	const [on, name] = [identifier(table.name), identifier(objects.unique(draw(names)))];
	const target = identifier(column.name);
	const parts = {
		plain: target,
		partial: `${target} COLLATE NOCASE DESC) WHERE (${target} IS NOT NULL`,
		expression: `typeof(${target}) || 'x;', coalesce(${target}, 0)`,
	};
	const form = pick<keyof typeof parts>(draw, ['plain', 'plain', 'partial', 'expression']);
	table.uniqueIndexes.push(sql`CREATE UNIQUE INDEX ${name} ON ${on} (${parts[form]})`);
	if (form === 'plain') table.keys.push({ table, columns: [column], primary: false });
}

function refer(draw: Draw, child: Table, all: Table[], at: number): void {
	const parent = pickAny(draw, pickAny(draw, all)?.keys ?? []);
	if (!parent) return;
	const columns = parent.columns.map((column) => {
		const reference = addColumn(draw, child);
		reference.type = typeOfReference(child, parent.table, column.type);
		reference.values = undefined;
		return reference;
	});
	const earlier = all.indexOf(parent.table) < at;
	const required = earlier && columns.length === 1 && chance(draw, 25);
	child.foreignKeys.push({ columns, parent, required });
	declare(draw, child, columns, parent, required);
}

// The same affinity on both sides, so that a reference is stored as its key is.
function typeOfReference(child: Table, parent: Table, type: string): string {
	if (child.strict === parent.strict) return type;
	if (child.strict) return 'ANY';
	return type === 'ANY' ? '' : type;
}

function declare(
	draw: Draw,
	child: Table,
	columns: Column[],
	parent: Key,
	required: boolean,
): void {
	const list = (of: Column[]) => `(${of.map(({ name }) => identifier(name)).join(', ')})`;
	const target = parent.primary && chance(draw, 30) ? '' : ` ${list(parent.columns)}`;
	const reference = `REFERENCES ${identifier(parent.table.name)}${target}${pick(draw, actions)}`;
	const [first] = columns;
	if (required) first?.constraints.push('NOT NULL');
	if (columns.length === 1 && chance(draw, 60)) first?.constraints.push(reference);
	else child.clauses.push(`FOREIGN KEY ${list(columns)} ${reference}`);
}

const actions = [
	'',
	' ON DELETE CASCADE',
	' ON DELETE SET NULL',
	' ON UPDATE CASCADE ON DELETE CASCADE',
	' ON DELETE RESTRICT',
	' ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED',
];

// D1 allows 100 columns.
function widen(draw: Draw, table: Table): void {
	const width = pick(draw, [60, 99, 100]);
	while (table.columns.length < width) addColumn(draw, table);
}

/** The statement that creates the table, in one of the many ways to write it. */
export function creation(draw: Draw, table: Table): Sql {
	const columns = table.columns.map(({ name, type, constraints }) =>
		[quoted(draw, name), type, ...constraints].filter((word) => word !== '').join(' '),
	);
	const separator = pick(draw, [', ', ',\n\t', ", /* it's; */ ", ', -- a "comment";\n', ',']);
	// Constraints that mention columns come after all of them.
	const body = [...columns, ...table.clauses].join(separator);
	const options = [table.withoutRowid && 'WITHOUT ROWID', table.strict && 'STRICT'].filter(Boolean);
	return [`CREATE TABLE ${quoted(draw, table.name)} (${body}) ${options.join(', ')}`.trimEnd()];
}

function quoted(draw: Draw, name: string): string {
	const styles = [
		identifier(name),
		`\`${name.replaceAll('`', '``')}\``,
		`'${name.replaceAll("'", "''")}'`,
		...(name.includes(']') ? [] : [`[${name}]`]),
	];
	return chance(draw, 30) ? pick(draw, [identifier(name), ...styles]) : identifier(name);
}
