import { quoteName, unquote } from '../sql.ts';
import { hexLiteral, octets, sum } from './literals.ts';
import type { Key, KeyPart, Table } from './schema.ts';

/*
 * A row's key as text: the literals of its parts, joined with commas. Text is in hexadecimal, so
 * that no literal contains a comma or a semicolon. Integers stay exact.
 *
 * The queries call the table `s`: otherwise ORDER BY would confuse its columns with a page's own
 * short names (SQLite: SELECT, "The ORDER BY clause").
 */

/** Bytes of text and blobs in a key that may be part of a statement. */
const MAX_KEY_OCTETS = 10_000;

/** No effect except that SQLite does not flatten the subquery (Query Flattening, rule 8). */
const NO_LIMIT = 'LIMIT -1';

/**
 * A place between two rows: after the row with this key, or, if there is no key or it is too long,
 * after so many rows.
 */
export interface Position {
	key: string | null;
	offset: number;
}

/**
 * An expression that prints the key of a page's row, from {@link keyColumns}; '' if it is too long.
 */
export function keySql(key: Key): string {
	if (key.kind === 'rowid') return 'quote(k)';
	if (key.kind === 'position') return `''`;
	const columns = key.parts.map((part) => `c${part.index}`);
	const literals = columns.map(hexLiteral).join(`||','||`);
	return `iif(${sum(columns.map(octets))}<=${MAX_KEY_OCTETS},${literals},'')`;
}

/**
 * What {@link keySql} needs from a table: the rowid as `k`, or the columns of the key as `c0`, ...
 */
export function keyColumns({ key }: Table): string[] {
	if (key.kind === 'rowid') return [`s.${key.name} AS k`];
	if (key.kind === 'position') return [];
	return key.parts.map((part) => `s.${quoteName(part.column)} AS c${part.index}`);
}

/**
 * The key of a row of a WITHOUT ROWID table, taken from the row's literals; null if it is too long.
 */
export function keyOfRow(table: Table, literals: string[]): string | null {
	if (table.key.kind !== 'columns') return null;
	const parts = table.key.parts.map((part) => toHex(literals[part.index] ?? 'NULL'));
	const key = parts.join(',');
	return key.length <= 4 * MAX_KEY_OCTETS ? key : null;
}

/** Which rows of a table a SELECT returns, in key order: its WHERE and LIMIT clauses. */
export interface Selection {
	where: string;
	limit: string;
}

/** The rows after a position. */
export function after(
	{ key, only: condition }: Table,
	{ key: text, offset }: Position,
	limit: number,
): Selection {
	const isBehind = offset > 0 && text !== null ? isAfter(key, text) : null;
	const skipped = offset > 0 && text === null ? ` OFFSET ${offset}` : '';
	return { where: whereAll(condition, isBehind), limit: `LIMIT ${limit}${skipped}` };
}

/** The end of a SELECT, from WHERE on, that returns the row with this key, or at this offset. */
export function only(key: Key, { key: text, offset }: Position): string {
	if (text === null || key.kind === 'position') return `${orderBy(key)} LIMIT 1 OFFSET ${offset}`;
	if (key.kind === 'rowid') return `WHERE s.${key.name}=${text}`;
	const values = text.split(',').map(withoutAffinity);
	return `WHERE ${key.parts.map((part, index) => `${column(part)}=${values[index]}`).join(' AND ')}`;
}

/** The rows after one key and up to another; null for no bound. */
export function between(
	{ key, only: condition }: Table,
	from: string | null,
	to: string | null,
): Selection {
	const isBehind = from === null ? null : isAfter(key, from);
	const isWithin = to === null ? null : isUpTo(key, to);
	return { where: whereAll(condition, isBehind, isWithin), limit: NO_LIMIT };
}

/** The rows of a table with a rowid between two expressions, bounds included. */
export function withinBounds(
	{ key, only: condition }: Table,
	{ from, to }: { from: string; to: string },
): Selection {
	const name = key.kind === 'rowid' ? key.name : 'rowid';
	return { where: whereAll(condition, `s.${name} BETWEEN ${from} AND ${to}`), limit: NO_LIMIT };
}

function whereAll(...conditions: (string | null)[]): string {
	const all = conditions.filter((each) => each !== null);
	return all.length > 0 ? `WHERE ${all.join(' AND ')} ` : '';
}

/** The order in which SQLite stores the rows, so that it need not sort. */
export function orderBy(key: Key): string {
	if (key.kind === 'position') return 'NOT INDEXED';
	if (key.kind === 'rowid') return `ORDER BY s.${key.name}`;
	const parts = key.parts.map((part) => `${column(part)}${part.descending ? ' DESC' : ''}`);
	return `ORDER BY ${parts.join(',')}`;
}

/** The names of {@link keyColumns}. */
export function keyNames(key: Key): string[] {
	if (key.kind === 'rowid') return ['k'];
	return key.kind === 'columns' ? key.parts.map(({ index }) => `c${index}`) : [];
}

/** The key as {@link keyColumns} names its parts. */
export function selected(key: Key): Key {
	if (key.kind === 'rowid') return { kind: 'rowid', name: 'k' };
	if (key.kind === 'position') return key;
	return {
		kind: 'columns',
		parts: key.parts.map((part) => ({ ...part, column: `c${part.index}` })),
	};
}

function isAfter(key: Key, text: string): string {
	if (key.kind === 'position') return 'TRUE';
	if (key.kind === 'rowid') return `s.${key.name}>${text}`;
	const values = text.split(',').map(withoutAffinity);
	const [first] = key.parts;
	const sameDirection = key.parts.every((part) => part.descending === first?.descending);
	if (!sameDirection) return lexicographic(key.parts, values);
	const columns = key.parts.map(column).join(',');
	return `(${columns})${first?.descending ? '<' : '>'}(${values.join(',')})`;
}

/** The opposite of {@link isAfter}, with a bound on the first column at which SQLite can stop. */
function isUpTo(key: Key, text: string): string {
	if (key.kind === 'position') return 'TRUE';
	if (key.kind === 'rowid') return `s.${key.name}<=${text}`;
	const [first] = key.parts;
	const [value] = text.split(',').map(withoutAffinity);
	if (!first || value === undefined) return 'TRUE';
	return `${column(first)}${first.descending ? '>' : '<'}=${value} AND NOT (${isAfter(key, text)})`;
}

/** `a >= x AND (a > x OR (...))`: SQLite finds the position in the index by the first condition. */
function lexicographic([part, ...parts]: KeyPart[], [value, ...values]: string[]): string {
	if (!part) return 'FALSE';
	const beyond = part.descending ? '<' : '>';
	const name = column(part);
	if (parts.length === 0) return `${name}${beyond}${value}`;
	return `${name}${beyond}=${value} AND (${name}${beyond}${value} OR (${lexicographic(parts, values)}))`;
}

function column({ column: name, collation }: KeyPart): string {
	return collation === null ? `s.${quoteName(name)}` : `s.${quoteName(name)} COLLATE ${collation}`;
}

function toHex(literal: string): string {
	if (!literal.startsWith("'")) return literal;
	const bytes = new TextEncoder().encode(unquote(literal));
	const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
	return `CAST(X'${hex}' AS TEXT)`;
}

/**
 * CAST gives its result an affinity, which a comparison applies to the other side too: a number in
 * a column without affinity would be compared as text (SQLite: Datatypes, "Type Conversions Prior
 * To Comparison"). The result of `||` has no affinity.
 */
function withoutAffinity(literal: string): string {
	return literal.startsWith('CAST') ? `(${literal}||'')` : literal;
}
