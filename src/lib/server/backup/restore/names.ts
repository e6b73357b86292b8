/** `"name"`, with quotes inside doubled (SQLite: Keywords). */
export function quoteName(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`, with quotes inside doubled; for names, never for values. */
export function quoteText(text: string): string {
	return `'${text.replaceAll("'", "''")}'`;
}

/** Names that are one to SQLite, as one text: it does not tell ASCII letters apart by their case. */
export function foldCase(name: string): string {
	return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
