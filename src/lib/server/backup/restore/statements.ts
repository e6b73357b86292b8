import { LifeboatError } from '../../errors.ts';
import { MAX_READ_STATEMENT_BYTES } from '../limits.ts';
import type { SqlSource } from './source.ts';
import {
	CLOSING,
	HASH,
	HYPHEN,
	KEYWORDS,
	LF,
	LONGEST_KEYWORD,
	NEXT,
	SEMICOLON,
	SLASH,
	SPACE,
	SPECIAL,
	STAR,
	type State,
	type Token,
	WORD,
} from './tokens.ts';

/** A statement of a file, with its semicolon and without the space and comments around it. */
export interface Statement {
	sql: string;
	/** Its number, from 1. */
	number: number;
	/** Bytes of the file before it, and bytes up to its end. */
	start: number;
	end: number;
}

const FIRST_BUFFER_BYTES = 256 * 1024;

/**
 * Splits SQL text into statements, however it is cut into chunks. Holds one statement and one chunk
 * in memory. Skips white space and comments between statements.
 */
export class StatementReader {
	/** The first and the last `--` comment between statements, without the hyphens. */
	firstComment: string | null = null;
	lastComment: string | null = null;
	/** Bytes of the file before the last such comment. */
	lastCommentAt = 0;
	readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
	#buffer: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
	#length = 0;
	/** Bytes of the file before the buffer. */
	#offset = 0;
	/** The next byte to look at, and the first byte of the statement; -1 between statements. */
	#at = 0;
	#start = -1;
	#state: State = 'start';
	#inside: 'code' | 'line' | 'block' | number = 'code';
	#commentStart = 0;
	#count = 0;
	readonly #shell: boolean;

	/** With `shell`, a `#` between statements begins a comment, as in the sqlite3 shell. */
	constructor({ shell = false } = {}) {
		this.#shell = shell;
	}

	/**
	 * Returns the statements that end in this chunk. Throws `sql_not_text`, `statement_too_long`
	 * (422).
	 */
	push(chunk: Uint8Array): Statement[] {
		this.#append(chunk);
		const found: Statement[] = [];
		while (this.#at < this.#length && this.#step(found, false));
		return found;
	}

	/** Bytes read so far. */
	get bytes(): number {
		return this.#offset + this.#length;
	}

	/** To be called after the last chunk. Throws `sql_incomplete` (422) if a statement has no end. */
	end(): void {
		const rest = this.rest();
		if (rest === null && this.#inside === 'code') return;
		throw incomplete(rest?.start ?? this.#offset, this.#count + 1);
	}

	/**
	 * The statement without a semicolon at the end of the file; null if there is none. To be called
	 * after the last chunk. Throws `sql_not_text` (422).
	 */
	rest(): Statement | null {
		while (this.#at < this.#length && this.#step([], true));
		if (this.#inside === 'line') this.#endOfLine(this.#length);
		if (this.#start === -1) return null;
		const number = this.#count + 1;
		const [start, end] = [this.#offset + this.#start, this.bytes];
		return { sql: this.#text(this.#start, this.#length, number), number, start, end };
	}

	#append(chunk: Uint8Array): void {
		if (this.#length + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length);
		this.#buffer.set(chunk, this.#length);
		this.#length += chunk.length;
	}

	/** Drops what is no longer needed, and takes a larger buffer if that is not enough. */
	#makeRoom(bytes: number): void {
		const kept = Math.min(
			this.#start === -1 ? this.#at : this.#start,
			this.#inside === 'line' ? this.#commentStart : this.#at,
		);
		this.#buffer.copyWithin(0, kept, this.#length);
		this.#length -= kept;
		this.#offset += kept;
		this.#at -= kept;
		this.#commentStart -= kept;
		if (this.#start !== -1) this.#start -= kept;
		if (this.#length > MAX_READ_STATEMENT_BYTES) throw tooLong(this.#offset, this.#count + 1);
		if (this.#length + bytes <= this.#buffer.length / 2) return;
		const larger = Buffer.allocUnsafe(2 * Math.max(this.#length + bytes, this.#buffer.length));
		this.#buffer.copy(larger, 0, 0, this.#length);
		this.#buffer = larger;
	}

	/** Reads at least one token; returns false if it needs bytes that have not arrived yet. */
	#step(found: Statement[], last: boolean): boolean {
		if (this.#inside === 'code') return this.#code(found, last);
		if (this.#inside === 'line') {
			const end = this.#find(LF);
			if (end !== -1) this.#endOfLine(end);
			return end !== -1;
		}
		if (this.#inside === 'block') return this.#blockComment();
		const end = this.#find(this.#inside);
		if (end !== -1) this.#inside = 'code';
		this.#at = end === -1 ? this.#length : end + 1;
		return end !== -1;
	}

	#code(found: Statement[], last: boolean): boolean {
		const buffer = this.#buffer;
		const length = this.#length;
		let at = this.#at;
		if (this.#state === 'normal') while (at < length && SPECIAL[buffer[at] ?? 0] === 0) at++;
		else while (at < length && SPACE[buffer[at] ?? 0] === 1) at++;
		this.#at = at;
		if (at === length) return true;
		const byte = buffer[at] ?? 0;
		if (byte === SEMICOLON) {
			this.#semicolon(found);
			return true;
		}
		if (byte === HYPHEN || byte === SLASH) return this.#commentOrOther(byte, last);
		if (byte === HASH && this.#shell && this.#start === -1) {
			this.#commentStart = this.#at;
			this.#inside = 'line';
			return true;
		}
		if (WORD[byte] === 1) return this.#word(last);
		this.#token('other');
		this.#at++;
		this.#inside = CLOSING.get(byte) ?? 'code';
		return true;
	}

	#commentOrOther(byte: number, last: boolean): boolean {
		if (this.#at + 1 === this.#length && !last) return false;
		const next = this.#buffer[this.#at + 1];
		const comment = this.#at + 1 < this.#length && next === (byte === HYPHEN ? HYPHEN : STAR);
		if (!comment) {
			this.#token('other');
			this.#at++;
			return true;
		}
		this.#commentStart = this.#at;
		this.#at += 2;
		this.#inside = byte === HYPHEN ? 'line' : 'block';
		return true;
	}

	#endOfLine(end: number): void {
		if (this.#start === -1) {
			this.lastComment = this.#buffer.toString('utf8', this.#commentStart + 2, end).trim();
			this.lastCommentAt = this.#offset + this.#commentStart;
			this.firstComment ??= this.lastComment;
		}
		this.#at = end;
		this.#inside = 'code';
	}

	#blockComment(): boolean {
		const star = this.#find(STAR);
		this.#at = star === -1 ? this.#length : star;
		if (star === -1 || star + 1 === this.#length) return false;
		this.#at++;
		if (this.#buffer[this.#at] !== SLASH) return true;
		this.#at++;
		this.#inside = 'code';
		return true;
	}

	#word(last: boolean): boolean {
		let end = this.#at;
		while (end < this.#length && WORD[this.#buffer[end] ?? 0] === 1) end++;
		if (end === this.#length && !last) return false;
		const keyword =
			end - this.#at > LONGEST_KEYWORD
				? undefined
				: KEYWORDS.get(this.#buffer.toString('latin1', this.#at, end).toLowerCase());
		this.#token(keyword ?? 'other');
		this.#at = end;
		return true;
	}

	#token(token: Token): void {
		if (this.#start === -1) this.#start = this.#at;
		this.#state = NEXT[this.#state][token] ?? NEXT[this.#state].other;
	}

	#semicolon(found: Statement[]): void {
		this.#at++;
		this.#state = NEXT[this.#state].semicolon;
		if (this.#state !== 'start' || this.#start === -1) return;
		const number = ++this.#count;
		const [start, end] = [this.#offset + this.#start, this.#offset + this.#at];
		found.push({ sql: this.#text(this.#start, this.#at, number), number, start, end });
		this.#start = -1;
	}

	#text(start: number, end: number, number: number): string {
		const bytes = this.#buffer.subarray(start, end);
		if (bytes.includes(0)) throw notText(this.#offset + start, number);
		try {
			return this.#decoder.decode(bytes);
		} catch {
			throw notText(this.#offset + start, number);
		}
	}

	#find(byte: number): number {
		const end = this.#buffer.indexOf(byte, this.#at);
		return end < this.#length ? end : -1;
	}
}

/**
 * Reads the statements of a file, chunk by chunk. Afterwards `reader` has its comments and its
 * size. Throws `sql_not_text`, `statement_too_long` and `sql_incomplete` (422).
 */
export async function* readStatements(
	source: SqlSource,
	reader: StatementReader = new StatementReader(),
): AsyncGenerator<Statement[], void, void> {
	let first = true;
	for await (const chunk of source.open()) {
		const bytes = first ? withoutMark(chunk) : chunk;
		first &&= chunk.length === 0;
		const statements = reader.push(bytes);
		if (statements.length > 0) yield statements;
	}
	reader.end();
}

/** Removes the byte order mark of UTF-8; refuses UTF-16, which PowerShell's `>` writes. */
function withoutMark(chunk: Uint8Array): Uint8Array {
	const [first, second, third] = chunk;
	if (first === 0xef && second === 0xbb && third === 0xbf) return chunk.subarray(3);
	if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
		throw notText(0, 1);
	}
	return chunk;
}

function incomplete(byte: number, number: number): LifeboatError {
	return new LifeboatError(
		`Statement ${number}, at byte ${byte}, has no end: the file is truncated.`,
		{
			code: 'sql_incomplete',
			status: 422,
			hint: 'Nothing was restored. Download the file again, or use another backup.',
		},
	);
}

function notText(byte: number, number: number): LifeboatError {
	return new LifeboatError(`Statement ${number}, at byte ${byte}, is not UTF-8 text.`, {
		code: 'sql_not_text',
		status: 422,
		hint: 'The file is not SQL, or was damaged or converted on its way. Download it again.',
	});
}

function tooLong(byte: number, number: number): LifeboatError {
	return new LifeboatError(`Statement ${number}, at byte ${byte}, is longer than 64 MiB.`, {
		code: 'statement_too_long',
		status: 422,
		hint: 'Restore this file with the sqlite3 program.',
	});
}
