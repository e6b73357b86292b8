/** SQL text in pieces; a number among them stands for exactly that finite double. */
export type Sql = readonly (string | number)[];

/** SQL template tag: pieces and texts are inserted as they are. */
export function sql(texts: TemplateStringsArray, ...holes: (string | Sql)[]): Sql {
	const pieces = texts.flatMap((text, at) => [text, ...[holes[at] ?? []].flat()]);
	return pieces.filter((piece) => piece !== '');
}

/** Pieces of SQL with a separator between them. */
export function join(parts: readonly (string | Sql)[], separator: string): Sql {
	return parts.flatMap((part, at) => [...(at > 0 ? [separator] : []), ...[part].flat()]);
}

/** A name quoted for use anywhere in SQL, whatever characters it has. */
export function identifier(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** Bytes in hexadecimal. */
export function hex(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join('');
}

/** The bytes that a hexadecimal text encodes. */
export function bytesOf(hexadecimal: string): Uint8Array {
	const digits = hexadecimal.match(/[0-9A-F]{2}/g) ?? [];
	return Uint8Array.from(digits, (pair) => parseInt(pair, 16));
}

/** A text of exactly these bytes, valid UTF-8 or not. */
export function text(content: string | Uint8Array): string {
	const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
	const printable = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
	if (!printable) return `CAST(X'${hex(bytes)}' AS TEXT)`;
	return `'${new TextDecoder().decode(bytes).replaceAll("'", "''")}'`;
}

/** The eight bytes of a double, in hexadecimal, most significant first. */
export function bits(value: number): string {
	const view = new DataView(new ArrayBuffer(8));
	view.setFloat64(0, value);
	return hex(new Uint8Array(view.buffer));
}

/** Runs the statements on D1 in one transaction. Doubles are bound, which D1 does exactly. */
export async function apply(database: D1Database, statements: readonly Sql[]): Promise<void> {
	if (statements.length === 0) return;
	const prepared = statements.map((pieces) => {
		const doubles = pieces.filter((piece) => typeof piece === 'number');
		const query = pieces.map((piece) => (typeof piece === 'number' ? '?' : piece)).join('');
		return database.prepare(query).bind(...doubles);
	});
	await database.batch(prepared);
}

/**
 * The statements as a script for the sqlite3 shell, which has a function for a double's bits.
 * Foreign keys act as on D1.
 */
export function script(statements: readonly Sql[]): string {
	const exact = (piece: string | number) =>
		typeof piece === 'number' ? `ieee754_from_blob(X'${bits(piece)}')` : piece;
	const texts = statements.map((pieces) => ended(pieces.map(exact).join('')));
	return ['PRAGMA foreign_keys=ON;\nBEGIN;\n', ...texts, 'COMMIT;\n'].join('');
}

// Adds a newline only after a comment: SQLite would keep it as part of some objects' text.
function ended(statement: string): string {
	return /--[^\n]*$/.test(statement) ? `${statement}\n;\n` : `${statement};\n`;
}
