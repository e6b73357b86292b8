import { printable } from './text.ts';

/*
 * The one place where commands print: a lint rule refuses any other. Names and texts come from files and
 * servers, so nothing that is printed here can control a terminal, look like another line, or be a command
 * of GitHub's runner.
 */

/** Prints lines on standard output. A line end within one does not end it. */
export function print(lines: readonly string[]): void {
	console.log(lines.map(harmless).join('\n'));
}

/** Prints lines on standard error. */
export function printAside(lines: readonly string[]): void {
	console.error(lines.map(harmless).join('\n'));
}

/** Asks for an answer on the same line, on standard error. */
export function ask(question: string): void {
	process.stderr.write(harmless(question));
}

/** Prints a value as a line of JSON on standard output, in printable ASCII. */
export function printJson(value: unknown): void {
	console.log(asciiJson(value));
}

/** The same for each of many values; nothing without any. */
export function printJsonLines(values: readonly unknown[]): void {
	if (values.length > 0) console.log(values.map(asciiJson).join('\n'));
}

/** Resolves once everything is printed. A reader of a pipe may stop early, which is not an error. */
export async function printed(): Promise<void> {
	process.stdout.on('error', () => {});
	await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
}

/** One line, as it may be printed. */
export function harmless(line: string): string {
	const shown = printable(line);
	return process.env['GITHUB_ACTIONS'] ? withoutCommands(shown) : shown;
}

/**
 * The runner obeys `::` after white space at the start of a line, and `##[` anywhere:
 * https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
 */
function withoutCommands(line: string): string {
	return line.replace(/^(\s*:)(?=:)/, '$1 ').replace(/##(?=\[)/g, '## ');
}

function asciiJson(value: unknown): string {
	const json = JSON.stringify(value);
	return json.replace(/[^ -~]|#(?=#\[)/g, (unit) => {
		return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
	});
}
