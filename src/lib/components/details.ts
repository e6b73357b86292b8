import type { BackupDetail, TableRow } from './detail-types.ts';
import { bytes, count, signed } from './text.ts';

/** A table of a backup, with how it changed since the backup before. */
export interface TableChange {
	name: string;
	rows: string;
	bytes: string;
	/** In words and numbers: `new`, `gone`, `same`, `+12 rows, −1.20 kB`. */
	change: string;
	gone: boolean;
}

/** The tables of a backup, the largest first, and then those that are gone. */
export function changesOf({ tables, gone, previous }: BackupDetail): TableChange[] {
	const found = tables
		.toSorted((a, b) => b.bytes - a.bytes)
		.map((table) => ({
			...asText(table),
			change: previous === null ? '' : changeOf(table),
			gone: false,
		}));
	const lost = gone.map((table) => ({ ...asText(table), change: 'gone', gone: true }));
	return [...found, ...lost];
}

function asText({ name, rows, bytes: size }: { name: string; rows: number; bytes: number }) {
	return { name, rows: count(rows), bytes: bytes(size) };
}

function changeOf({ rows, bytes: size, before }: TableRow): string {
	if (before === null) return 'new';
	const [more, larger] = [rows - before.rows, size - before.bytes];
	if (more === 0 && larger === 0) return 'same size';
	const changes = [
		...(more === 0 ? [] : [`${signed(more)} ${Math.abs(more) === 1 ? 'row' : 'rows'}`]),
		...(larger === 0 ? [] : [signed(larger, bytes)]),
	];
	return changes.join(', ');
}
