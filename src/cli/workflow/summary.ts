import { appendFileSync } from 'node:fs';

/**
 * Appends a Markdown table to the summary of the workflow's run; does nothing outside a workflow.
 * `title` heads the first column; each row is a name and a value, in Markdown.
 */
export function summarize(title: string, rows: string[][]): void {
	const table = [[title, ''], ['---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`);
	const file = process.env['GITHUB_STEP_SUMMARY'];
	if (file) appendFileSync(file, `${table.join('\n')}\n`);
}

/**
 * Any text as a cell of a Markdown table that shows it literally. A backslash escapes every
 * punctuation character: https://github.github.com/gfm/#backslash-escapes
 */
export function plain(text: string): string {
	return text.replace(/[!-/:-@[-`{-~]/g, '\\$&').replace(/\s+/g, ' ');
}
