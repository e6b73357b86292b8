import { createHash, type Hash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import { sliceDigest } from '../format/signature.ts';
import { decoded } from '../storage/codec.ts';
import { damaged } from './damage.ts';
import { type Part, titleOf } from './parts.ts';
import { type OpenVolume, PartReader } from './reader.ts';

/**
 * The SQL of all parts, decoded and joined. A slice is decoded only after its stored bytes were compared,
 * and its SQL is compared as well. Throws `backup_damaged` (422) at the first difference,
 * `backup_encrypted` (409) and `identity_wrong` (422) if a part cannot be opened.
 */
export async function* decodedParts(
	open: OpenVolume,
	parts: readonly Part[],
	identities: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const reader = new PartReader(open, parts);
	try {
		for (const row of rowsOf(parts)) yield* decodedRow(reader, row, identities);
	} finally {
		await reader.close();
	}
}

/** Parts in a row that are decoded as one file: slices with the same encodings, or one whole volume. */
interface Row {
	first: number;
	parts: Part[];
}

function rowsOf(parts: readonly Part[]): Row[] {
	const rows: Row[] = [];
	for (const [number, part] of parts.entries()) {
		const last = rows.at(-1);
		const before = last?.parts.at(-1);
		const isSame = String(before?.volume.encodings) === String(part.volume.encodings);
		if (last && before?.isSlice && part.isSlice && isSame) last.parts.push(part);
		else rows.push({ first: number, parts: [part] });
	}
	return rows;
}

async function* decodedRow(
	reader: PartReader,
	{ first, parts }: Row,
	identities: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const encodings = parts[0]?.volume.encodings ?? [];
	let current = parts[0];
	let isRead = false;
	const unread: unknown[] = [];
	const opened = async function* () {
		for (const [index, part] of parts.entries()) {
			current = part;
			const stored = noting(unread, reader.read(first + index));
			yield* part.isSlice ? await Array.fromAsync(stored) : stored; // a slice is small
		}
		isRead = true;
	};
	try {
		yield* compared(decoded(opened(), encodings, identities), parts);
	} catch (error) {
		if (unread.length > 0) throw unread[0];
		if (error instanceof LifeboatError || !current) throw error;
		throw damaged(`The ${titleOf(current)} cannot be decoded.`, error);
	}
	if (!isRead && current) throw damaged(`The ${titleOf(current)} continues after its end.`);
}

/** Notes why bytes cannot be read, which is not what a decoder throws. */
async function* noting(
	errors: unknown[],
	stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
	try {
		yield* stored;
	} catch (error) {
		errors.push(error);
		throw error;
	}
}

/** The SQL of slices in a row, compared with what the manifest says about each. */
async function* compared(
	sql: AsyncIterable<Uint8Array>,
	parts: readonly Part[],
): AsyncGenerator<Uint8Array, void, void> {
	if (!parts[0]?.isSlice) return yield* sql;
	const comparison = new Comparison(parts);
	for await (const chunk of sql) {
		comparison.add(chunk);
		yield chunk;
	}
	comparison.end();
}

class Comparison {
	readonly #parts: readonly Part[];
	#number = 0;
	#left: number;
	#hash: Hash = createHash('sha256');

	constructor(parts: readonly Part[]) {
		this.#parts = parts;
		this.#left = parts[0]?.sqlBytes ?? 0;
	}

	add(chunk: Uint8Array): void {
		for (let rest = chunk; rest.length > 0;) {
			if (this.#left === 0) this.#next();
			const taken = rest.subarray(0, this.#left);
			this.#hash.update(taken);
			this.#left -= taken.length;
			rest = rest.subarray(taken.length);
		}
	}

	end(): void {
		while (this.#number < this.#parts.length) this.#next();
	}

	#next(): void {
		const part = this.#parts[this.#number];
		const next = this.#parts[++this.#number];
		if (!part) throw damaged('The SQL goes on after the last slice.');
		const content = sliceDigest(this.#hash.digest('hex'), part.key);
		if (this.#left > 0 || (part.content !== null && part.content !== content)) {
			throw damaged(`The ${titleOf(part)} has other SQL than its manifest says.`);
		}
		this.#left = next?.sqlBytes ?? 0;
		this.#hash = createHash('sha256');
	}
}
