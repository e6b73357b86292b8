/** A database that some program can read. */
export interface Source {
	/** The rows of each statement, as lists of columns. */
	query: (statements: string[]) => Promise<unknown[][][]>;
	/** SQL for a double: the number itself, or `r` and its eight bytes in hexadecimal. */
	real: (value: string) => string;
}

/** A D1 database to take a snapshot of. */
export function d1(database: D1Database): Source {
	return {
		async query(statements) {
			if (statements.length === 0) return [];
			const answers = await database.batch<Row>(statements.map((sql) => database.prepare(sql)));
			return answers.map(({ results }) => results.map((row) => Object.values(row)));
		},
		...d1Real,
	};
}

/** The result of the last `npm run restore`. */
export function restored(witness: Fetcher, target: 'local' | 'file'): Source {
	return {
		query: (queries) => ask(witness, 'restored', { target, queries }, queries),
		...d1Real,
	};
}

/** The database that Debian's sqlite3 makes from a script. */
export function sqlite3(witness: Fetcher, script: string | Uint8Array): Source {
	const bytes = typeof script === 'string' ? new TextEncoder().encode(script) : script;
	const encoded = bytes.toBase64();
	return {
		query: (queries) => ask(witness, 'sqlite3', { script: encoded, queries }, queries),
		...shellReal,
	};
}

// D1 answers in JSON, which is exact for finite doubles other than negative zero.
const d1Real: Pick<Source, 'real'> = {
	real: (value) => `CASE
			WHEN ${value} = 0 THEN CASE WHEN atan2(${value}, -1) < 0
				THEN 'r8000000000000000' ELSE 'r0000000000000000' END
			WHEN ${value} = 9e999 THEN 'r7FF0000000000000'
			WHEN ${value} = -9e999 THEN 'rFFF0000000000000'
			ELSE ${value} END`,
};

/** Only the shell has this function. */
export const shellReal: Pick<Source, 'real'> = {
	real: (value) => `'r' || hex(ieee754_to_blob(${value}))`,
};

async function ask(
	witness: Fetcher,
	whom: string,
	question: object,
	queries: string[],
): Promise<unknown[][][]> {
	if (queries.length === 0) return [];
	const body = JSON.stringify(question);
	const response = await witness.fetch(`http://witness/${whom}`, { method: 'POST', body });
	if (!response.ok) throw new Error(`${whom}: ${await response.text()}`);
	const answers: Row[][] = await response.json();
	return answers.map((rows) => rows.map((row) => Object.values(row)));
}

type Row = Record<string, unknown>;
