import { quoteName } from '../sql.ts';
import { tokenize } from '../tokenizer.ts';
import type { SchemaObject } from './schema.ts';

/*
 * The text of definitions. A backup repeats it exactly, so what a tool changes on a restore can
 * only be reported, not prevented.
 */

/** The statement of a definition. The text in `sqlite_schema` may end within a comment. */
export function statement({ sql }: Pick<SchemaObject, 'sql'>): string {
	switch (openComment(sql)) {
		case 'line':
			return `${sql}\n;\n`;
		case 'block':
			return `${sql}*/;\n`;
		default:
			return `${sql};\n`;
	}
}

/** The kind of comment in which a text ends; null if it does not end in one. */
function openComment(sql: string): 'line' | 'block' | null {
	const last = [...tokenize(sql)].at(-1);
	if (last?.kind !== 'comment' || last.end < sql.length) return null;
	if (last.text.startsWith('--')) return 'line';
	return last.text.length < '/**/'.length || !last.text.endsWith('*/') ? 'block' : null;
}

/** The text with a space instead of each comment and everything in quotes. */
function bare(sql: string): string {
	let text = '';
	let end = 0;
	for (const token of tokenize(sql)) {
		text += sql.slice(end, token.start);
		text += token.kind === 'word' || token.kind === 'other' ? token.text : ' ';
		end = token.end;
	}
	return text + sql.slice(end);
}

/** What tools may change in a definition on a restore, as sentences for people. */
export function textWarnings({ type, name, sql }: Omit<SchemaObject, 'virtual'>): string[] {
	const definition = `The definition of ${type} ${quoteName(name)}`;
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
	if (/\n[ \t]*(?:\/|go)[ \t]*\n/i.test(bare(sql))) {
		warnings.push(
			`${definition} has a line with only "/" or "go", which the sqlite3 shell takes for the end of a statement.`,
		);
	}
	if (openComment(sql) === 'block') {
		warnings.push(`${definition} ends in an unclosed comment, which the backup closes.`);
	}
	return warnings;
}
