import type { Key, KeyPart, Table } from './catalog.ts';
import { hexLiteral, quoteName } from './literals.ts';

/*
 * A row's key as text: the literals of its parts, joined with commas. Text is in hexadecimal, so
 * that neither comma nor semicolon can be part of a literal, and integers stay exact.
 */

/** False for tables whose rows can only be counted. */
export function isKeyed(key: Key): boolean {
	return key.kind !== 'position';
}

/** An expression that prints the key of a row; its columns are named as in a page's subquery. */
export function keySql(key: Key): string {
	if (key.kind === 'rowid') return 'quote(k)';
	if (key.kind === 'position') return `''`;
	return key.parts.map((part) => hexLiteral(`c${part.index}`)).join(`||','||`);
}

/** The key of a row of a WITHOUT ROWID table, taken from the row's literals. */
export function keyOfRow(table: Table, literals: string[]): string | null {
	if (table.key.kind !== 'columns') return null;
	return table.key.parts.map((part) => toHex(literals[part.index] ?? 'NULL')).join(',');
}

/** The ORDER BY of a page: the order of the key itself, so that no sorting is needed. */
export function orderBy(key: Key): string {
	if (key.kind === 'position') return '';
	if (key.kind === 'rowid') return `ORDER BY ${key.name}`;
	const parts = key.parts.map((part) => `${column(part)}${part.descending ? ' DESC' : ''}`);
	return `ORDER BY ${parts.join(',')}`;
}

/** A condition that holds for the rows behind `text` in the order of the key. */
export function after(key: Key, text: string): string {
	if (key.kind === 'position') return 'TRUE';
	if (key.kind === 'rowid') return `${key.name}>${text}`;
	const values = text.split(',').map(withoutAffinity);
	const [first] = key.parts;
	const sameDirection = key.parts.every((part) => part.descending === first?.descending);
	if (sameDirection) {
		const columns = key.parts.map(column).join(',');
		return `(${columns})${first?.descending ? '<' : '>'}(${values.join(',')})`;
	}
	return lexicographic(key.parts, values);
}

/** The end of a SELECT, from WHERE on, that finds the row with the key `text`. */
export function at(key: Key, text: string, offset: number): string {
	if (key.kind === 'position') return `LIMIT 1 OFFSET ${offset}`;
	if (key.kind === 'rowid') return `WHERE ${key.name}=${text}`;
	const values = text.split(',').map(withoutAffinity);
	return `WHERE ${key.parts.map((part, index) => `${column(part)}=${values[index]}`).join(' AND ')}`;
}

/** `a >= x AND (a > x OR (a = x AND …))`: the first condition is what finds the place in the index. */
function lexicographic([part, ...parts]: KeyPart[], [value, ...values]: string[]): string {
	if (!part) return 'FALSE';
	const beyond = part.descending ? '<' : '>';
	const name = column(part);
	if (parts.length === 0) return `${name}${beyond}${value}`;
	return `${name}${beyond}=${value} AND (${name}${beyond}${value} OR (${lexicographic(parts, values)}))`;
}

function column({ column: name, collation }: KeyPart): string {
	return collation === null ? quoteName(name) : `${quoteName(name)} COLLATE ${collation}`;
}

function toHex(literal: string): string {
	if (!literal.startsWith("'")) return literal;
	const bytes = new TextEncoder().encode(literal.slice(1, -1).replaceAll("''", "'"));
	const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
	return `CAST(X'${hex}' AS TEXT)`;
}

/**
 * CAST has an affinity, which a comparison would apply to the other side too: a number in a column
 * without one would be compared as text (SQLite: Datatypes, "Type Conversions Prior To
 * Comparison"). The result of `||` has none.
 */
function withoutAffinity(literal: string): string {
	return literal.startsWith('CAST') ? `(${literal}||'')` : literal;
}
