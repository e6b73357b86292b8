/*
 * What SQLite's tokenizer and sqlite3_complete() know, as tables for a reader of bytes.
 */

/**
 * How far a statement has come, as sqlite3_complete() sees it (SQLite: complete.c): a trigger ends
 * only at `; END;`, anything else at the first semicolon.
 */
export type State = 'start' | 'normal' | 'explain' | 'create' | 'trigger' | 'semicolon' | 'end';
export type Token = 'other' | 'semicolon' | 'explain' | 'create' | 'temp' | 'trigger' | 'end';

/** The state after a token; `other` stands for tokens that are not listed. */
export const NEXT: Record<
	State,
	Partial<Record<Token, State>> & { other: State; semicolon: State }
> = {
	start: { other: 'normal', semicolon: 'start', explain: 'explain', create: 'create' },
	normal: { other: 'normal', semicolon: 'start' },
	explain: { other: 'explain', semicolon: 'start', create: 'create', temp: 'normal' },
	create: { other: 'normal', semicolon: 'start', temp: 'create', trigger: 'trigger' },
	trigger: { other: 'trigger', semicolon: 'semicolon' },
	semicolon: { other: 'trigger', semicolon: 'semicolon', end: 'end' },
	end: { other: 'trigger', semicolon: 'start' },
};

/** The words that change the state, in lower case. */
export const KEYWORDS = new Map<string, Token>([
	['explain', 'explain'],
	['create', 'create'],
	['temp', 'temp'],
	['temporary', 'temp'],
	['trigger', 'trigger'],
	['end', 'end'],
]);
export const LONGEST_KEYWORD = 'temporary'.length;

export const LF = 0x0a;
export const HASH = 0x23;
const SINGLE_QUOTE = 0x27;
export const STAR = 0x2a;
export const HYPHEN = 0x2d;
export const SLASH = 0x2f;
export const SEMICOLON = 0x3b;

/**
 * What closes each kind of quote. A doubled quote closes and opens again, which amounts to the
 * same.
 */
export const CLOSING = new Map([
	[SINGLE_QUOTE, SINGLE_QUOTE], // 'text'
	[0x22, 0x22], // "name"
	[0x60, 0x60], // `name`
	[0x5b, 0x5d], // [name]
]);

/** Bytes of words (SQLite: tokenize.c, IdChar): 1 for each, else 0. */
export const WORD = bytesWhere(
	(character, byte) => byte >= 0x80 || /[A-Za-z0-9_$]/.test(character),
);
/** Bytes of white space (SQLite: tokenize.c). */
export const SPACE = bytesWhere((character) => ' \t\n\f\r'.includes(character));
/** Bytes within a statement that need a closer look: its end, comments and quotes. */
export const SPECIAL = bytesWhere((character) => `;-/'"[\``.includes(character));

function bytesWhere(test: (character: string, byte: number) => boolean): Uint8Array {
	return Uint8Array.from({ length: 256 }, (_, byte) =>
		Number(test(String.fromCharCode(byte), byte)),
	);
}
