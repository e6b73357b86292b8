import type { SqlSource } from '../../lib/server/backup/restore/source.ts';

/** Line and column of a character, from 1. */
export interface Place {
	line: number;
	column: number;
}

const LF = 0x0a;

/** Where the byte at this offset is. Reads the source to its end, as some sources require. */
export async function placeOf(source: SqlSource, offset: number): Promise<Place> {
	const place = { line: 1, column: 1 };
	let left = offset;
	for await (const chunk of source.open()) {
		if (left > 0) for (const byte of chunk.subarray(0, left)) advance(place, byte);
		left -= chunk.length;
	}
	return place;
}

function advance(place: Place, byte: number): void {
	if (byte === LF) {
		place.line++;
		place.column = 1;
	} else if ((byte & 0xc0) !== 0x80) {
		place.column++; // a character of UTF-8 begins
	}
}

/** A place further on, after some text. */
export function after({ line, column }: Place, text: string): Place {
	const lines = text.split('\n');
	const last = [...(lines.at(-1) ?? '')].length;
	if (lines.length === 1) return { line, column: column + last };
	return { line: line + lines.length - 1, column: last + 1 };
}

/** `line 3, column 5`. */
export function printPlace({ line, column }: Place): string {
	return `line ${line}, column ${column}`;
}
