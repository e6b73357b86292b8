import type { BackupSummary } from '../../lib/server/backup/format/manifest.ts';
import { annotate, hasWarned } from './annotate.ts';
import { count, printable } from './text.ts';

type Listed = Pick<BackupSummary, 'warnings' | 'warningTexts'>;

/**
 * The warnings of a backup as the app lists it. If it lists more of them than texts, as an older app
 * does, the last sentence says where the others are.
 */
export function listedWarnings({ warnings, warningTexts = [] }: Listed): string[] {
	const others = warnings - warningTexts.length;
	if (!(others > 0)) return warningTexts;
	const more = warningTexts.length > 0 ? 'more ' : '';
	return [...warningTexts, `The manifest of this backup has ${amount(others, more)}.`];
}

/** The end of a verdict: `, with 2 warnings`, or nothing if there is none. */
export function withWarnings(warnings: readonly string[]): string {
	return warnings.length === 0 ? '' : `, with ${amount(warnings.length)}`;
}

/** A line for each warning of a backup. */
export function warningLines(warnings: readonly string[]): string[] {
	return warnings.map((warning) => `Warning: ${warning}`);
}

/**
 * Prints each warning of a backup, unless the app has given it with an answer: as an annotation in a
 * GitHub workflow, elsewhere as a line.
 */
export function annotateWarnings(warnings: readonly string[]): void {
	for (const warning of warnings) {
		if (!hasWarned(warning)) annotate('warning', 'Warning', printable(warning));
	}
}

function amount(number: number, more = ''): string {
	return `${count(number)} ${more}${number === 1 ? 'warning' : 'warnings'}`;
}
