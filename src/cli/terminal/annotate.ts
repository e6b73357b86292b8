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
	if (!process.env['GITHUB_ACTIONS']) {
		console[kind === 'notice' ? 'log' : 'error'](`${title}: ${message}`);
		return;
	}
	const data = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
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
