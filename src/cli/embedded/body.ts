/**
 * The statements of a batch as one text: a line of JSON with the length of each in UTF-16 code units, then
 * their SQL. As JSON, megabytes of SQL would have to be escaped and parsed.
 */
export function printStatements(statements: string[]): string {
	const lengths = statements.map(({ length }) => length);
	return `${JSON.stringify(lengths)}\n${statements.join('')}`;
}

/** The statements in a text of {@link printStatements}. */
export function parseStatements(body: string): string[] {
	let start = body.indexOf('\n') + 1;
	const lengths = JSON.parse(body.slice(0, start)) as number[];
	return lengths.map((length) => body.slice(start, (start += length)));
}
