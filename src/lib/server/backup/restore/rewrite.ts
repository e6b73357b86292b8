import type { SqlStatement } from '../database.ts';
import { MAX_PARAMETERS, MAX_STATEMENT_BYTES } from '../limits.ts';
import { quoteText, unquote } from '../sql.ts';
import type { Survey } from './survey.ts';

/** Characters from which on a literal of a statement that is too long becomes a parameter. */
const LONG_LITERAL = 500;

const LITERAL = /(?<![\w$])([xX])?'((?:[^']|'')*)'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g;
const UNISTR = /(?<![\w$])unistr\(('(?:[^']|'')*')\)|'(?:[^']|'')*'|"(?:[^"]|"")*"/gi;

/**
 * A statement in a form that D1 accepts. Those of Lifeboat are returned as they are. In those of
 * other tools, `unistr()`, which `sqlite3 .dump` writes since 3.50 and D1 does not know, is
 * replaced by its text, and the long literals of a statement beyond D1's limit become parameters.
 */
export function forTarget(sql: string, { lifeboat }: Survey): SqlStatement {
	if (lifeboat) return sql;
	const known = /\bunistr\s*\(/i.test(sql) ? withoutUnistr(sql) : sql;
	return isTooLong(known) ? withParameters(known) : known;
}

function isTooLong(sql: string): boolean {
	// A UTF-16 code unit takes at most three bytes of UTF-8.
	if (sql.length * 3 <= MAX_STATEMENT_BYTES) return false;
	return new TextEncoder().encode(sql).length > MAX_STATEMENT_BYTES;
}

function withParameters(sql: string): SqlStatement {
	const parameters: (string | Uint8Array)[] = [];
	const shortened = sql.replace(
		LITERAL,
		(literal: string, x: string | undefined, inner: string | undefined) => {
			if (inner === undefined || literal.length < LONG_LITERAL) return literal;
			if (parameters.length === MAX_PARAMETERS) return literal;
			parameters.push(x ? bytesOf(inner) : unquote(literal));
			return `?${parameters.length}`;
		},
	);
	return { sql: shortened, parameters };
}

function bytesOf(hex: string): Uint8Array {
	const bytes = new Uint8Array(hex.length / 2);
	for (let at = 0; at < bytes.length; at++) {
		bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
	}
	return bytes;
}

/**
 * SQLite: Built-In Scalar Functions, unistr(X): `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX`, `\\`.
 */
function withoutUnistr(sql: string): string {
	return sql.replace(UNISTR, (all: string, argument: string | undefined) => {
		if (argument === undefined) return all;
		const text = unquote(argument).replace(
			/\\(?:(\\)|([0-9a-f]{4})|\+([0-9a-f]{6})|u([0-9a-f]{4})|U([0-9a-f]{8}))/gi,
			(_, backslash?: string, ...codes: (string | undefined)[]) =>
				backslash ?? String.fromCodePoint(Number.parseInt(codes.find(isText) ?? '', 16)),
		);
		return quoteText(text);
	});
}

function isText(code: string | undefined): boolean {
	return typeof code === 'string';
}
