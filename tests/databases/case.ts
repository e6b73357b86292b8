import { sql, type Sql } from './sql.ts';

/** A database that some tool is known to lose, or that is easy to get wrong. */
export interface Case {
	name: string;
	statements: Sql[];
}

export function of(name: string, ...statements: (string | Sql)[]): Case {
	return { name, statements: statements.map((statement) => [statement].flat()) };
}

// One table in which every value keeps its storage class.
export function holding(name: string, ...values: (string | Sql)[]): Case {
	const rows = values.map((value) => sql`INSERT INTO "kept" VALUES (${value})`);
	return of(name, 'CREATE TABLE "kept" ("value")', ...rows);
}
