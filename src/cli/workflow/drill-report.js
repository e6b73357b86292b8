// Tells how a drill ended. Reads what `npm run drill -- --json` prints from standard input. Every
// drill becomes the summary of the workflow's run; one that did not prove its backup is an
// annotation and exit code 1 as well. The backup that was asked for is in BACKUP.
// For .github/workflows/restore-drill.yml: needs Node 20 and nothing installed.
import { text } from 'node:stream/consumers';
import { annotate, count, duration, parseObject, plain, size, summarize } from './summary.js';

/**
 * What the drill found, or why it could not be done; `drilled` where one has been done before.
 * @typedef {{
 *   backup?: string, drilled?: { at: string }, proven?: boolean, startedAt: string, finishedAt: string,
 *   tables: number, rows: number, bytes: number, differences: string[],
 *   error?: string, code?: string, hint?: string, details?: string[]
 * }} Result
 */

const IDENTITY_HINT =
	'Either trust GitHub with the identity, gh secret set AGE_IDENTITY < FILE, or disable this workflow and drill at home: npm run drill -- latest --record --identity FILE';

/** @type {Result} */
const result = parseObject(await text(process.stdin));
const name = result.backup ?? process.env['BACKUP'] ?? '';

if (result.proven) {
	annotate('notice', 'Backup proven', name);
} else if (result.drilled) {
	annotate('notice', 'Nothing new to drill', `${name} was proven on ${result.drilled.at}`);
} else if (result.differences) {
	fail('Backup differs', [name, ...result.differences].join('\n'));
} else {
	fail('Drill failed', problem());
}
summarize('Drill', summary());

function problem() {
	const { error, code, hint, details = [] } = result;
	if (code === 'identity_needed') return `${error} (${code}) ${IDENTITY_HINT}`;
	if (error) return [`${error} (${code}) ${hint}`.trim(), ...details].join('\n');
	return 'The drill ended without a result. The log of this step says why.';
}

/** @returns {string[][]} */
function summary() {
	if (result.drilled) {
		return [
			['Backup', plain(name)],
			['Made', plain(madeAt())],
			['Proven', plain(`yes, on ${result.drilled.at}`)],
		];
	}
	if (!result.differences) {
		return [
			['Backup', plain(name)],
			['Proven', 'no: it could not be tried'],
			['Problem', plain(problem())],
		];
	}
	return [
		['Backup', plain(name)],
		['Made', plain(madeAt())],
		['Proven', result.proven ? 'yes' : '**no**'],
		['Tables', count(result.tables)],
		['Rows', count(result.rows)],
		['Size', size(result.bytes)],
		['Time taken', duration(result.startedAt, result.finishedAt)],
		...result.differences.map((difference) => ['Difference', plain(difference)]),
	];
}

/** The moment in the name of a backup. */
function madeAt() {
	return /\d{4}-.+Z$/.exec(name)?.[0] ?? '';
}

/**
 * @param {string} title
 * @param {string} message
 */
function fail(title, message) {
	annotate('error', title, message);
	process.exitCode = 1;
}
