import { schemaHeading } from './readings.ts';
import type { Section, Snapshot } from './snapshot.ts';
import { bytesOf, identifier } from './sql.ts';

/** The same snapshot as if a tool had converted the schema to Unix line ends. */
export function withUnixLineEnds(snapshot: Snapshot): Snapshot {
	const schema = snapshot.get(schemaHeading) ?? empty;
	const rows = schema.rows.map((row) => row.map(withUnixLineEndsInside));
	return new Map([...snapshot, [schemaHeading, { ...schema, rows }]]);
}

function withUnixLineEndsInside(cell: string): string {
	const bytes = cell.slice(1).match(/../g)?.join(' ') ?? '';
	return cell.startsWith('t') ? `t${bytes.replaceAll('0D 0A', '0A').replaceAll(' ', '')}` : cell;
}

const empty: Section = { columns: [], rows: [] };
const longestList = 5;

/** The differences of the second database, in words; an empty list if there are none. */
export function differences(expected: Snapshot, actual: Snapshot): string[] {
	const headings = new Set([...expected.keys(), ...actual.keys()]);
	return [...headings].flatMap((heading) => {
		const [before, after] = [expected.get(heading) ?? empty, actual.get(heading) ?? empty];
		return sectionDifferences(before, after).map((difference) => `${heading}: ${difference}`);
	});
}

/**
 * Without those in the words of a full-text index of which the backup has warned: no text yields them, as
 * those of invalid UTF-8.
 */
export function unexpected(found: string[], warnings: string[]): string[] {
	return found.filter((difference) => {
		const [, index] = /^counts of (.*): (?:lost|added) /s.exec(difference) ?? [];
		const starts = [
			`The index of ${index} has words that `,
			`The full-text table ${index} has trigrams that are not of one text`,
		];
		return !warnings.some((warning) => starts.some((start) => warning.startsWith(start)));
	});
}

function sectionDifferences(before: Section, after: Section): string[] {
	const lost = without(before.rows, after.rows);
	const added = without(after.rows, before.rows);
	const all = [
		...lost.map((row) => {
			const changed = added.findIndex(([first]) => first === row[0]);
			if (changed < 0) return `lost ${shown(row)}`;
			return cellDifferences(before.columns, row, added.splice(changed, 1).flat());
		}),
		...added.map((row) => `added ${shown(row)}`),
	];
	if (all.length <= longestList) return all;
	return [...all.slice(0, longestList), `and ${String(all.length - longestList)} more`];
}

// The rows that are missing from the others, or occur there less often. No cell contains a comma.
function without(rows: string[][], others: string[][]): string[][] {
	const counts = new Map<string, number>();
	for (const row of others) counts.set(String(row), (counts.get(String(row)) ?? 0) + 1);
	return rows.filter((row) => {
		const count = counts.get(String(row)) ?? 0;
		counts.set(String(row), count - 1);
		return count <= 0;
	});
}

function cellDifferences(columns: string[], before: string[], after: string[]): string {
	const changes = before.map((value, at): string[] => {
		const now = after[at] ?? '';
		const name = identifier(columns[at] ?? '');
		return value === now ? [] : [`${name} was ${readable(value)}, is ${readable(now)}`];
	});
	return `${readable(before[0] ?? '')}: ${changes.flat().join('; ')}`;
}

function shown(row: string[]): string {
	return `(${row.map(readable).join(', ')})`;
}

const longestShown = 120;

function readable(cell: string): string {
	const more = cell.length > longestShown ? `… (${String(cell.length)})` : '';
	const short = cell.slice(0, longestShown);
	const bytes = bytesOf(short.slice(1));
	if (cell.startsWith('t')) {
		return `${JSON.stringify(new TextDecoder().decode(bytes))} (${short}${more})`;
	}
	if (cell.startsWith('r')) {
		return `real ${String(new DataView(bytes.buffer).getFloat64(0))} (${cell})`;
	}
	return short + more;
}
