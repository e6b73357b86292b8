import fc from 'fast-check';
import { chance, type Draw } from './draw.ts';
import { names, Scope } from './names.ts';
import { indexes, triggers, views } from './objects.ts';
import { additions, references, rows } from './rows.ts';
import { search } from './search.ts';
import { script, type Sql } from './sql.ts';
import { creation, tables } from './tables.ts';

/** The statements that make up a database. Each of them succeeds on D1. */
export interface Database {
	statements: Sql[];
}

/** Random databases, with every kind of object and value that D1 allows. */
export function databases(): fc.Arbitrary<Database> {
	return fc.gen().map((draw) => readable(database(draw)));
}

function database(draw: Draw): Sql[] {
	const objects = new Scope();
	const all = tables(draw, objects);
	const searches = search(draw, all, objects);
	return [
		...all.map((table) => creation(draw, table)),
		...all.flatMap(({ uniqueIndexes }) => uniqueIndexes),
		...searches.beforeRows,
		...all.flatMap((table) => rows(draw, table)),
		...all.flatMap((table) => references(draw, table)),
		...searches.afterRows,
		...all.flatMap((table) => additions(draw, table, columnName(draw, table.columns))),
		...all.flatMap((table) => indexes(draw, table, objects)),
		...views(draw, all, objects),
		...triggers(draw, all, objects),
		...(chance(draw, 5) ? [['ANALYZE']] : []),
	];
}

function columnName(draw: Draw, columns: { name: string }[]): string {
	return new Scope(['rowid', '_rowid_', 'oid', ...columns.map(({ name }) => name)]).unique(
		draw(names),
	);
}

// fast-check prints a database that failed as a script.
function readable(statements: Sql[]): Database {
	return Object.assign({ statements }, { [fc.toStringMethod]: () => `\n${script(statements)}` });
}
