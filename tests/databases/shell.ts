import { spawnSync } from 'node:child_process';
import { shellReal, type Source } from './sources.ts';

/** Printed after each answer: a character that never occurs in JSON. */
const SEPARATOR = '\x1e\n';
const MAX_ANSWER = 512 * 1024 * 1024;

/** Queries for Debian's sqlite3, whose answers {@link answers} takes apart. */
export function questions(queries: string[]): string {
	return queries.map((query) => `${query}\n;\n.print ${SEPARATOR}`).join('');
}

/** The rows of each query, from what `sqlite3 -json` printed. */
export function answers(printed: string): Record<string, unknown>[][] {
	const parts = printed.split(SEPARATOR).slice(0, -1);
	return parts.map((rows) => (rows === '' ? [] : JSON.parse(rows)));
}

/** A database file, read by Debian's sqlite3. */
export function file(path: string): Source {
	return { query: async (statements) => ask(path, statements), ...shellReal };
}

function ask(path: string, statements: string[]): unknown[][][] {
	if (statements.length === 0) return [];
	const options = {
		input: questions(statements),
		maxBuffer: MAX_ANSWER,
		encoding: 'utf8',
	} as const;
	const { stdout, stderr } = spawnSync('sqlite3', ['-bail', '-json', '-readonly', path], options);
	if (stderr === '') return answers(stdout).map((rows) => rows.map((row) => Object.values(row)));
	// A foreign key to columns that are not unique cannot be checked, and nothing else is asked about it.
	if (!stderr.includes('foreign key mismatch')) throw new Error(stderr);
	if (statements.length === 1) return [[]];
	return statements.flatMap((statement) => ask(path, [statement]));
}
