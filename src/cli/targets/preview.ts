import { formatTable } from '../terminal/text.ts';
import type { TargetTable } from './target.ts';

/** What a restore would do to one table. Rows are null where there is no such table. */
export interface Change {
	name: string;
	/** Rows in the target. */
	there: number | null;
	/** Rows in the backup. */
	backup: number | null;
	change: 'create' | 'replace' | 'remove' | 'stay';
}

/**
 * What a restore would do to each table: first those of the backup, then the target's others. `tables` are
 * those to restore, null for all. Names are compared as SQLite does.
 */
export function previewOf(
	inBackup: { name: string; rows: number }[],
	there: TargetTable[],
	tables: string[] | null,
): Change[] {
	const known = new Map(there.map((table) => [table.name.toLowerCase(), table]));
	const restored = inBackup.filter(({ name }) => tables === null || tables.includes(name));
	const names = new Set(restored.map(({ name }) => name.toLowerCase()));
	const changes = restored.map(({ name, rows }): Change => {
		const existing = known.get(name.toLowerCase());
		return {
			...{ name, there: existing?.rows ?? null, backup: rows },
			change: existing ? 'replace' : 'create',
		};
	});
	const others = there
		.filter(({ name }) => !names.has(name.toLowerCase()))
		.map(({ name, rows }): Change => {
			return { name, there: rows, backup: null, change: tables === null ? 'remove' : 'stay' };
		});
	return [...changes, ...others];
}

/** The lines of a table of the changes, for people. */
export function formatPreview(changes: Change[]): string[] {
	const rows = changes.map(({ name, there, backup, change }) => [
		...[name, there ?? '-', backup ?? '-'],
		change,
	]);
	return formatTable(['table', 'rows there', 'rows in the backup', 'what happens'], rows);
}
