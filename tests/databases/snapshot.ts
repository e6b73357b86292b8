import { catalog, checks, headingOf, matches, rowsOf, schema, type Reading } from './readings.ts';
import type { Source } from './sources.ts';
import { bits, identifier } from './sql.ts';

/** Rows of cells: a letter for the storage class, then the exact value in plain ASCII. */
export interface Section {
	columns: string[];
	rows: string[][];
}

/** The contents of a database, under headings such as `rows of "users"`. */
export type Snapshot = Map<string, Section>;

/** Reads everything that a backup must preserve. */
export async function snapshot(source: Source): Promise<Snapshot> {
	const { tables, sequences } = await catalog(source);
	const contents = tables.flatMap(rowsOf);
	const sections = await read(source, [schema(tables), ...sequences, ...checks, ...contents]);
	const searches = tables.flatMap((table) =>
		matches(table, sections.get(headingOf(table))?.rows ?? []),
	);
	return new Map([...sections, ...(await read(source, searches))]);
}

// D1 returns at most 100 columns.
const columnsPerQuery = 50;

async function read(source: Source, readings: Reading[]): Promise<Snapshot> {
	const parts = readings.flatMap(partsOf);
	const answers = await source.query(parts.map((part) => query(source, part)));
	if (answers.length !== parts.length) throw new Error('not every query was answered');
	const sections: Snapshot = new Map();
	for (const [at, { heading, columns }] of parts.entries()) {
		const section = sections.get(heading) ?? { columns: [], rows: [] };
		const rows = (answers[at] ?? []).map((row, place) => [
			...(section.rows[place] ?? []),
			...row.map(cell),
		]);
		sections.set(heading, { columns: [...section.columns, ...columns], rows });
	}
	return sections;
}

function partsOf(reading: Reading): Reading[] {
	const { columns } = reading;
	const starts = columns.keys().filter((at) => at % columnsPerQuery === 0);
	return [...starts].map((at) => ({
		...reading,
		columns: columns.slice(at, at + columnsPerQuery),
	}));
}

// Columns get short names first: theirs may be long, and are needed several times.
function query(source: Source, { columns, from }: Reading): string {
	const named = columns.map((column, at) => `${identifier(column)} AS c${String(at)}`);
	const cells = columns.map((_, at) => `${exact(source, `c${String(at)}`)} AS d${String(at)}`);
	return `SELECT ${cells.join(', ')} FROM (SELECT ${named.join(', ')} FROM ${from})`;
}

function exact({ real }: Source, value: string): string {
	return `CASE typeof(${value}) WHEN 'null' THEN 'n' WHEN 'integer' THEN 'i' || ${value}
		WHEN 'text' THEN 't' || hex(${value}) WHEN 'blob' THEN 'b' || hex(${value}) ELSE ${real(value)} END`;
}

function cell(value: unknown): string {
	if (typeof value === 'number') return `r${bits(value)}`;
	if (typeof value === 'string') return value;
	throw new Error(`not a cell: ${String(value)}`);
}
