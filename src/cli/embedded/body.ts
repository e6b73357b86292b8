import type { SqlStatement } from '../../lib/server/backup/database.ts';

/** The first line of a body, which describes the SQL after it. */
interface Outline {
	/** The length of each statement, in UTF-16 code units. */
	lengths: number[];
	/** The parameters of each statement that has any, by its index. */
	parameters: Record<number, Parameter[]>;
}

/** A text, or bytes in base64. */
type Parameter = string | { base64: string };

/**
 * The statements of a batch as one text: a line of JSON, then their SQL. As JSON, megabytes of SQL
 * would have to be escaped and parsed.
 */
export function printStatements(statements: SqlStatement[]): string {
	const outline: Outline = { lengths: [], parameters: {} };
	const texts = statements.map((statement, index) => {
		const sql = typeof statement === 'string' ? statement : statement.sql;
		outline.lengths.push(sql.length);
		if (typeof statement !== 'string') {
			outline.parameters[index] = statement.parameters.map(printParameter);
		}
		return sql;
	});
	return `${JSON.stringify(outline)}\n${texts.join('')}`;
}

/** The statements in a text of {@link printStatements}. */
export function parseStatements(body: string): SqlStatement[] {
	let start = body.indexOf('\n') + 1;
	const { lengths, parameters } = JSON.parse(body.slice(0, start)) as Outline;
	return lengths.map((length, index) => {
		const sql = body.slice(start, (start += length));
		const values = parameters[index];
		return values ? { sql, parameters: values.map(parseParameter) } : sql;
	});
}

function printParameter(value: string | Uint8Array): Parameter {
	return typeof value === 'string' ? value : { base64: Buffer.from(value).toString('base64') };
}

function parseParameter(value: Parameter): string | Uint8Array {
	return typeof value === 'string' ? value : new Uint8Array(Buffer.from(value.base64, 'base64'));
}
