import { print, printAside } from './print.ts';
import { printable } from './text.ts';

/**
 * Prints a message: as an annotation in a GitHub workflow, elsewhere as plain text. The message cannot end the workflow command and begin another one: the escapes are those of
 * https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
 * `title` must be a constant, because it is not escaped; `message` may have several lines.
 */
export function annotate(
	kind: 'notice' | 'warning' | 'error',
	title: string,
	message: string,
): void {
	const [first = '', ...more] = message.split('\n');
	if (!process.env['GITHUB_ACTIONS']) {
		// Indented, so that none of a message's lines looks like one of the command's own.
		const lines = [`${title}: ${first}`, ...more.map((line) => `  ${line}`)];
		return kind === 'notice' ? print(lines) : printAside(lines);
	}
	const data = escapeData([first, ...more].map(printable).join('\n'));
	// The runner reads both streams. A warning must not mix with data for the next program of a pipe.
	console[kind === 'warning' ? 'error' : 'log'](`::${kind} title=${title}::${data}`);
}

const warned = new Set<string>();

/** Shows a warning of the app once, however many answers carry it. */
export function warnOnce(warning: string | null): void {
	if (warning === null || warned.has(warning)) return;
	warned.add(warning);
	annotate('warning', 'The app warns', printable(warning));
}

/** Whether the app has given this warning with an answer, alone or with others. */
export function hasWarned(warning: string): boolean {
	return [...warned].some((shown) => shown.includes(warning));
}

const masked = new Set<string>();

/** Keeps a secret out of a workflow's log, even if something prints it; does nothing elsewhere. */
export function maskInLog(secret: string): void {
	if (!process.env['GITHUB_ACTIONS'] || masked.has(secret)) return;
	masked.add(secret);
	console.log(`::add-mask::${escapeData(secret)}`);
}

function escapeData(text: string): string {
	return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
