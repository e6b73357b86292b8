import { printOrphans } from '../../lib/server/backup/restore/orphans.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { DetailedError } from '../terminal/errors.ts';
import type { Foreign } from './foreign.ts';

/**
 * Refuses a file of another program that D1 would not take, before the target is touched. `tables` are those
 * to restore, null for all; then the database must also keep its foreign keys, as D1 enforces them.
 *
 * Throws `value_too_large` and `foreign_keys_broken` (422), which name the rows.
 */
export function requireFitForD1(
	{ largeValues, orphans }: Foreign,
	tables: string[] | null = null,
): void {
	const large = largeValues.filter(({ table }) => tables === null || tables.includes(table));
	if (large.length > 0) {
		const sentences = large.map(({ sentence }) => sentence);
		throw new DetailedError(tooLarge(), sentences);
	}
	if (tables !== null || orphans.sentences.length === 0) return;
	throw new DetailedError(broken(), printOrphans(orphans));
}

/** What D1 has no place for, as sentences. */
export function lostInD1({ header }: Foreign): string[] {
	const names = ['user_version', 'application_id'] as const;
	return names
		.filter((name) => header[name] !== 0)
		.map((name) => `D1 has no place for the file's ${name}, ${header[name]}: it is not restored.`);
}

function tooLarge(): LifeboatError {
	return new LifeboatError('The file has values that are too large for D1. Nothing was changed.', {
		code: 'value_too_large',
		status: 422,
		hint: 'Restore it into a plain file (--to FILE.db), and move such values to R2.',
	});
}

function broken(): LifeboatError {
	return new LifeboatError(
		'Rows of the file refer to rows that do not exist, which D1 refuses. Nothing was changed.',
		{
			code: 'foreign_keys_broken',
			status: 422,
			hint: 'Restore it into a plain file (--to FILE.db), correct these rows there, and restore that file.',
		},
	);
}
