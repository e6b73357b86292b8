import { appendFileSync } from 'node:fs';
import { printable } from '../terminal/text.ts';

/**
 * Appends a table to the summary of the workflow's run; does nothing outside a workflow. `title` heads the
 * first column; each row is a name and a value. All of them are shown literally, whatever they hold.
 */
export function summarize(title: string, rows: string[][]): void {
	const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
	const table = [
		line([title, '']),
		line(['---', '---']),
		...rows.map((row) => line(row.map(plain))),
	];
	const file = process.env['GITHUB_STEP_SUMMARY'];
	if (file) appendFileSync(file, `${table.join('\n')}\n`);
}

/**
 * Any text as a cell of a Markdown table that shows it literally. A backslash escapes every
 * punctuation character: https://github.github.com/gfm/#backslash-escapes
 */
function plain(text: string): string {
	return printable(text.replace(/\s+/g, ' ')).replace(/[!-/:-@[-`{-~]/g, '\\$&');
}
