import { quoteName, unquote } from '../sql.ts';
import type { SchemaObject } from './schema.ts';

/*
 * The text of definitions. A backup repeats it exactly, so what a tool changes on a restore can
 * only be reported, not prevented.
 */

/** Quoted names and texts (SQLite: Keywords). */
const QUOTED = String.raw`"(?:[^"]|"")*"|'(?:[^']|'')*'|\[[^\]]*\]|` + '`(?:[^`]|``)*`';
/** The same, and comments that are closed (SQLite: SQL Comment Syntax). */
const CLOSED = new RegExp(String.raw`${QUOTED}|--[^\n]*\n|/\*[\s\S]*?\*/`, 'g');

/** The statement of a definition. The text in `sqlite_schema` may end within a comment. */
export function statement({ sql }: Pick<SchemaObject, 'sql'>): string {
	const [open] = /--|\/\*/.exec(sql.replace(CLOSED, ' ')) ?? [];
	if (open === '--') return `${sql}\n;\n`;
	return open === '/*' ? `${sql}*/;\n` : `${sql};\n`;
}

/** What tools may change in a definition on a restore, as sentences for people. */
export function textWarnings({ type, name, sql }: SchemaObject): string[] {
	const definition = `The definition of ${type} ${quoteName(name)}`;
	const rest = sql.replace(CLOSED, ' ');
	const warnings: string[] = [];
	if (sql.includes('\r')) {
		warnings.push(
			`${definition} contains carriage returns, which sqlite3 and wrangler may replace by line feeds on a restore.`,
		);
	}
	if (sql.includes('BEGIN TRANSACTION')) {
		warnings.push(
			`${definition} contains the words BEGIN TRANSACTION, which \`wrangler d1 execute --local\` cuts out of a file.`,
		);
	}
	if (/\n[ \t]*(?:\/|go)[ \t]*\n/i.test(rest)) {
		warnings.push(
			`${definition} has a line with only "/" or "go", which the sqlite3 shell takes for the end of a statement.`,
		);
	}
	if (/--|\/\*/.exec(rest)?.[0] === '/*') {
		warnings.push(`${definition} ends in an unclosed comment, which the backup closes.`);
	}
	return warnings;
}

const VIRTUAL_TABLE = new RegExp(
	String.raw`^CREATE VIRTUAL TABLE\s+(?:${QUOTED}|[^\s"'\[]+)\s*USING\s+(${QUOTED}|\w+)\s*(?:\(([\s\S]*)\))?\s*$`,
	'i',
);
const ARGUMENT = new RegExp(`(?:${QUOTED}|[^,"'\`\\[])+`, 'g');

/** The module of a virtual table and its `name = value` arguments (SQLite: FTS5, "Options"). */
export function virtualTable(sql: string): { module: string; options: Map<string, string> } {
	const [, module = '', text = ''] = VIRTUAL_TABLE.exec(sql) ?? [];
	const options = new Map<string, string>();
	for (const argument of text.match(ARGUMENT) ?? []) {
		const [, name, value] = /^\s*(\w+)\s*=\s*([\s\S]*?)\s*$/.exec(argument) ?? [];
		if (name !== undefined && value !== undefined) options.set(name.toLowerCase(), unquote(value));
	}
	return { module: unquote(module).toLowerCase(), options };
}
