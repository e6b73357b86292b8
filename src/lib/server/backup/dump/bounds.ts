import type { Table } from './schema.ts';

/*
 * Where slices end. It depends on rows alone, and on most of them through their keys alone: so an
 * insert, an update or a deletion changes the slice that it is in, and rarely a neighbour.
 */

/** How large slices are, in bytes of rows. */
export interface SliceSizes {
	/** Before a slice may end: compressors need some text to learn from. */
	least: number;
	/** What a slice gets beyond that, on average. */
	more: number;
	/** After so many it ends in any case. */
	most: number;
}

export const SLICE_SIZES: SliceSizes = { least: 64 * 1024, more: 64 * 1024, most: 192 * 1024 };

/** Hashes are below this. */
const HASHES = 2 ** 32;

const QUOTE = 0x27;
const COMMA = 0x2c;
/** FNV-1a of 32 bits (RFC 9923, section 5). */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** How much a slice has so far. */
export interface OpenSlice {
	rows: number;
	/** Bytes of its rows. */
	bytes: number;
}

/** Decides after each row of a table whether a slice ends there. */
export class SliceBounds {
	readonly #keyLiterals: number;
	readonly #sizes: SliceSizes;
	#slice: OpenSlice;

	/** `open` is what an earlier step has left. */
	constructor(table: Table, open: OpenSlice | null = null, sizes = SLICE_SIZES) {
		this.#keyLiterals = literalsToKey(table);
		this.#sizes = sizes;
		this.#slice = open ? { ...open } : { rows: 0, bytes: 0 };
	}

	/** Counts a row, the literals from `start` to before `end`. Returns whether the slice ends after it. */
	endsAfter(sql: Uint8Array, start: number, end: number): boolean {
		this.#slice.rows++;
		this.#slice.bytes += end - start;
		const { bytes } = this.#slice;
		const { least, more, most } = this.#sizes;
		if (bytes < least) return false;
		if (bytes >= most) return true;
		// The chance grows with the row's bytes, so rows of any width make slices of one size.
		return hashOfKey(sql, start, end, this.#keyLiterals) < (HASHES / more) * (end - start);
	}

	/** Ends the slice, and returns what it has. */
	end(): OpenSlice {
		const ended = this.#slice;
		this.#slice = { rows: 0, bytes: 0 };
		return ended;
	}

	/** What the slice has so far. */
	save(): OpenSlice {
		return { ...this.#slice };
	}
}

/** Literals of a row up to the last one of its key: all if the table has no key. */
function literalsToKey({ key }: Table): number {
	if (key.kind === 'columns') return 1 + Math.max(...key.parts.map(({ index }) => index));
	if (key.kind === 'position') return Number.POSITIVE_INFINITY;
	return 1 + (key.index ?? 0); // a rowid that is no column comes first
}

/** A hash of a row's first literals, of 32 bits. Commas are in literals only between quotes. */
function hashOfKey(sql: Uint8Array, start: number, end: number, literals: number): number {
	let hash = FNV_OFFSET;
	let left = literals;
	let isQuoted = false;
	for (let at = start; at < end; at++) {
		const byte = sql[at] ?? 0;
		if (byte === QUOTE) isQuoted = !isQuoted;
		else if (byte === COMMA && !isQuoted && --left === 0) break;
		hash = Math.imul(hash ^ byte, FNV_PRIME);
	}
	return mixed(hash);
}

/** Spreads each bit over all, as FNV does not: the finalizer of MurmurHash3. */
function mixed(hash: number): number {
	let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
	return (mix ^ (mix >>> 16)) >>> 0;
}
