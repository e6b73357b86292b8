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
	return {
		async query(statements) {
			if (statements.length === 0) return [];
			const options = { input: questions(statements), maxBuffer: MAX_ANSWER };
			const { stdout, stderr } = spawnSync('sqlite3', ['-bail', '-json', '-readonly', path], {
				...options,
				encoding: 'utf8',
			});
			if (stderr) throw new Error(stderr);
			return answers(stdout).map((rows) => rows.map((row) => Object.values(row)));
		},
		...shellReal,
	};
}
