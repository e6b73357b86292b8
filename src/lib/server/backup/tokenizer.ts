import { unquote } from './sql.ts';

/*
 * SQLite's tokens (SQLite: tokenize.c), for whatever has to be read from the text of a definition
 * because no PRAGMA tells it.
 */

/**
 * A token with its place in the text. `word` is a keyword, a name without quotes or a number;
 * `quoted` is in any of the four kinds of quotes; `other` is a single character.
 */
export interface Token {
	kind: 'comment' | 'word' | 'quoted' | 'other';
	text: string;
	start: number;
	end: number;
}

/** White space, which includes a byte order mark between two tokens. */
const SPACE = String.raw`[ \t\n\f\r\uFEFF]+`;
const COMMENT = String.raw`--[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?`;
/** A quote that is never closed ends with the text. */
const QUOTED = [
	...['"', "'", '`'].map(
		(quote) => `${quote}[^${quote}]*(?:${quote}${quote}[^${quote}]*)*${quote}?`,
	),
	String.raw`\[[^\]]*\]?`,
].join('|');
const WORD = String.raw`[\w$\u0080-\uffff]+`;
const TOKEN = new RegExp(
	`${SPACE}|(?<comment>${COMMENT})|(?<quoted>${QUOTED})|(?<word>${WORD})|(?<other>[^])`,
	'gy',
);

/** The tokens of a text, comments included. Never throws: any text has tokens. */
export function* tokenize(sql: string, from = 0): Generator<Token, void, void> {
	const pattern = new RegExp(TOKEN);
	pattern.lastIndex = from;
	for (let match = pattern.exec(sql); match; match = pattern.exec(sql)) {
		const { comment, quoted, word } = match.groups ?? {};
		const [text] = match;
		const place = { text, start: match.index, end: pattern.lastIndex };
		if (comment !== undefined) yield { kind: 'comment', ...place };
		else if (quoted !== undefined) yield { kind: 'quoted', ...place };
		else if (word !== undefined) yield { kind: 'word', ...place };
		else if (match.groups?.['other'] !== undefined) yield { kind: 'other', ...place };
	}
}

/** Whether a keyword, given in capitals, occurs outside of comments and quotes. */
export function hasKeyword(sql: string, keyword: string): boolean {
	for (const { kind, text } of tokenize(sql)) {
		if (kind === 'word' && text.toUpperCase() === keyword) return true;
	}
	return false;
}

/** Reads the tokens of a statement one after another, without comments. */
export class TokenReader {
	readonly #tokens: Iterator<Token>;
	#next: Token | null;
	/** The index after the last token that was read. */
	end = 0;

	constructor(sql: string) {
		this.#tokens = withoutComments(sql);
		this.#next = this.#read();
	}

	/** The next token, which stays the next one; null at the end. */
	get next(): Token | null {
		return this.#next;
	}

	/** Reads a token; null at the end. */
	token(): Token | null {
		const token = this.#next;
		if (token === null) return null;
		this.end = token.end;
		this.#next = this.#read();
		return token;
	}

	/** Reads a token in capitals, unless it is in quotes: then, and at the end, it is ''. */
	keyword(): string {
		const token = this.token();
		return token === null || token.kind === 'quoted' ? '' : token.text.toUpperCase();
	}

	/** Reads a name, without its quotes; '' at the end. */
	name(): string {
		return unquote(this.token()?.text ?? '');
	}

	/** Reads `name`, or the second part of `schema.name`. */
	qualifiedName(): string {
		const name = this.name();
		return this.skip('.') ? this.name() : name;
	}

	/** Reads these keywords as far as they come next; true if all did. */
	skip(...keywords: string[]): boolean {
		return keywords.every((keyword) => {
			const isNext = this.#next?.kind !== 'quoted' && this.#next?.text.toUpperCase() === keyword;
			if (isNext) this.token();
			return isNext;
		});
	}

	#read(): Token | null {
		const { value, done } = this.#tokens.next();
		return done ? null : value;
	}
}

function* withoutComments(sql: string): Generator<Token, void, void> {
	for (const token of tokenize(sql)) if (token.kind !== 'comment') yield token;
}
