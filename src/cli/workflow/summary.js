// What the programs of the workflows share: annotations, the table in the summary of the run, and
// words for numbers. Needs Node 20 and nothing installed.
import { appendFileSync } from 'node:fs';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/**
 * Prints a workflow command; outside of a workflow, words. The message cannot end the command and
 * begin another: the escapes are those of
 * https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
 * @param {'notice' | 'warning' | 'error'} kind
 * @param {string} title A constant: it is not escaped.
 * @param {string} message May have several lines.
 */
export function annotate(kind, title, message) {
	if (!process.env['GITHUB_ACTIONS']) {
		console[kind === 'notice' ? 'log' : 'error'](`${title}: ${message}`);
		return;
	}
	const data = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
	// The runner reads both streams, and the one of a program that warns may be data for the next.
	console[kind === 'warning' ? 'error' : 'log'](`::${kind} title=${title}::${data}`);
}

/** @type {Set<string>} */
const warned = new Set();

/**
 * Shows a warning of the app, once however many answers have it.
 * @param {string | null} warning
 */
export function warnOnce(warning) {
	if (warning === null || warned.has(warning)) return;
	warned.add(warning);
	annotate('warning', 'The app warns', printable(warning));
}

/**
 * Appends a Markdown table to the summary of the run; does nothing outside of a workflow.
 * @param {string} title Head of the first column.
 * @param {string[][]} rows Name and value, in Markdown.
 */
export function summarize(title, rows) {
	const table = [[title, ''], ['---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`);
	const file = process.env['GITHUB_STEP_SUMMARY'];
	if (file) appendFileSync(file, `${table.join('\n')}\n`);
}

/**
 * Any text as it stands, in one cell of a Markdown table. A backslash takes the meaning from every
 * character that has one: https://github.github.com/gfm/#backslash-escapes
 * @param {string} text
 */
export function plain(text) {
	return text.replace(/[!-/:-@[-`{-~]/g, '\\$&').replace(/\s+/g, ' ');
}

/**
 * Any text without what a terminal would obey or that would change the order of its letters: controls,
 * marks of direction, line ends.
 * @param {string} text
 */
export function printable(text) {
	return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

/**
 * Bytes, readable and exact.
 * @param {number} bytes
 */
export function size(bytes) {
	const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
	const short = (bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1);
	return `${short} ${UNITS[power]} (${count(bytes)} bytes)`;
}

/**
 * From one moment to another, in seconds.
 * @param {string} from ISO
 * @param {string} to ISO
 */
export function duration(from, to) {
	return `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)} s`;
}

/**
 * A number with its thousands apart.
 * @param {number} number
 */
export function count(number) {
	return number.toLocaleString('en');
}

/**
 * The object in a text of JSON; an empty one for any other text.
 * @param {string | undefined} json
 */
export function parseObject(json) {
	try {
		return Object(JSON.parse(json ?? ''));
	} catch {
		return {};
	}
}
