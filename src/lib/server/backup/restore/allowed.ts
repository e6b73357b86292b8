import { JOINED_PIECES, SCRATCH } from '../format/pieces.ts';
import { isKnownModule, parseVirtualTable } from '../virtual-table.ts';
import type { Head, RowsHead } from './parse.ts';

/*
 * What a backup contains. Anything else in its file was put there by somebody, and may reach
 * something outside of the database: other files, extensions, settings of the machine.
 */

/** The settings that a backup makes (dump/definitions.ts). */
const PRAGMA =
	/^PRAGMA\s+(?:foreign_keys|defer_foreign_keys|ignore_check_constraints)\s*=\s*(?:ON|OFF|TRUE|FALSE)\s*;$/i;
/** What it deletes: counters, and the pieces of long values. */
const DELETE = new RegExp(`^DELETE FROM (?:sqlite_sequence|"${SCRATCH}_*");$`);
/** Rows of the table for pieces, the only ones without names of columns. */
const PIECE = /^ \(\d+,X'[0-9A-F]*'\);$/;

/** Why Lifeboat does not write such a statement, as the end of a sentence; null if it does. */
export function whyNotAllowed(sql: string, head: Head): string | null {
	switch (head.kind) {
		case 'rows':
			return whyNotRows(sql, head);
		case 'create':
			if (head.type === 'virtual table') return whyNotModule(sql);
			return /^CREATE\s+TEMP/i.test(sql) ? 'it makes something temporary' : null;
		case 'drop':
			return null;
		case 'pragma':
			return PRAGMA.test(sql) ? null : `PRAGMA ${head.name} is not allowed`;
		case 'transaction':
			return `${head.verb} is not allowed`;
		case 'other':
			return DELETE.test(sql) ? null : `${firstWord(sql)} is not allowed`;
	}
}

function whyNotModule(sql: string): string | null {
	const module = parseVirtualTable(sql)?.module ?? 'this kind';
	return isKnownModule(module) ? null : `virtual tables of ${module} are not allowed`;
}

function whyNotRows(sql: string, { columns, values }: RowsHead): string | null {
	if (columns === null && !PIECE.test(sql.slice(values))) return 'it does not name its columns';
	return isOfLiterals(sql, values) ? null : 'its values are not all literals';
}

const QUOTE = 0x27;
const HYPHEN = 0x2d;
const STAR = 0x2a;
const SLASH = 0x2f;
/** The characters between literals, and of numbers: 1 for each, by its code. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) =>
	Number('\n ();,.+-*/0123456789eE'.includes(String.fromCharCode(code))),
);
const N = 0x4e;
const X = 0x58;
/** Text in hexadecimal, up to its digits and after them, and the rest of a value in pieces. */
const WORD = new RegExp(
	`CAST\\((?=X')|(?<=' )AS TEXT(?=\\))|(?<=\\()${JOINED_PIECES.source.replace('\\(', '')}`,
	'y',
);

/** Whether there are only literals from here on, as dump/literals.ts writes them. */
function isOfLiterals(sql: string, from: number): boolean {
	let at = from;
	while (at < sql.length) {
		const code = sql.charCodeAt(at);
		if (code === QUOTE) {
			at = sql.indexOf("'", at + 1) + 1; // a doubled one closes and opens again
			if (at === 0) return false;
		} else if (PLAIN[code] === 1) {
			const next = sql.charCodeAt(++at);
			if (code === HYPHEN && next === HYPHEN) return false;
			if (code === SLASH && next === STAR) return false;
		} else {
			at = endOfWord(sql, at, code);
			if (at === 0) return false;
		}
	}
	return true;
}

/** Where a word that may be among literals ends; 0 for any other. */
function endOfWord(sql: string, at: number, code: number): number {
	if (code === N && sql.startsWith('NULL', at)) return at + 4;
	if (code === X && sql.charCodeAt(at + 1) === QUOTE) return at + 1;
	WORD.lastIndex = at;
	return WORD.test(sql) ? WORD.lastIndex : 0;
}

function firstWord(sql: string): string {
	return /^\w+/.exec(sql)?.[0].toUpperCase() ?? 'such a statement';
}
