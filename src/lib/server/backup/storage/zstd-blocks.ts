import { Buffer } from 'node:buffer';

const MAGIC = 0xfd2fb528;
/** Of a skippable frame; the last four bits are any. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** The bytes of an optional field of a frame's header, by the two bits that tell. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

const RLE_BLOCK = 1;

/**
 * The frames of a zstd file (RFC 8878, section 3.1), block by block and without the skippable frames, which
 * have no contents. node:zlib must not be given the end of a frame and the start of the next one at once:
 * it stops at the end, and says nothing about the rest (nodejs/node#64741). Throws if there is no frame,
 * if one is cut off, and if other bytes follow.
 */
export async function* blocksOf(
	bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
	const input = new Input(bytes);
	try {
		do {
			const magic = await input.take(4);
			const number = magic.readUInt32LE();
			if (number === MAGIC) yield* restOfFrame(magic, input);
			else if ((number & ~0xf) === SKIPPABLE_MAGIC) await skip(input);
			else throw new Error('there are bytes that are no frame of zstd');
		} while (!(await input.isAtEnd()));
	} finally {
		await input.release();
	}
}

/** The blocks of a frame whose magic number was read; its header comes with the first one. */
async function* restOfFrame(
	magic: Uint8Array,
	input: Input,
): AsyncGenerator<Uint8Array, void, void> {
	const descriptor = await input.take(1);
	const flags = descriptor.readUInt8();
	const hasChecksum = (flags & 4) !== 0;
	let parts = [magic, descriptor, await input.take(fieldBytes(flags))];
	for (let isLast = false; !isLast; parts = []) {
		const header = await input.take(3);
		const block = header.readUIntLE(0, 3);
		isLast = (block & 1) !== 0;
		const isRle = ((block >> 1) & 3) === RLE_BLOCK;
		parts.push(header, await input.take(isRle ? 1 : block >> 3));
		if (isLast && hasChecksum) parts.push(await input.take(4));
		yield Buffer.concat(parts);
	}
}

/** The bytes of a frame's header after its descriptor (RFC 8878, section 3.1.1.1). */
function fieldBytes(flags: number): number {
	const isSingleSegment = (flags & 0x20) !== 0;
	const windowBytes = isSingleSegment ? 0 : 1;
	const dictionaryIdBytes = DICTIONARY_ID_BYTES[flags & 3] ?? 0;
	const sizeBytes = CONTENT_SIZE_BYTES[flags >> 6] || (isSingleSegment ? 1 : 0);
	return windowBytes + dictionaryIdBytes + sizeBytes;
}

async function skip(input: Input): Promise<void> {
	let left = (await input.take(4)).readUInt32LE();
	while (left > 0) left -= (await input.take(Math.min(left, 65_536))).length;
}

/** Reads chunks as pieces of any length. */
class Input {
	readonly #chunks: AsyncIterator<Uint8Array>;
	#rest: Uint8Array = new Uint8Array(0);

	constructor(bytes: AsyncIterable<Uint8Array>) {
		this.#chunks = bytes[Symbol.asyncIterator]();
	}

	async isAtEnd(): Promise<boolean> {
		while (this.#rest.length === 0) {
			const next = await this.#chunks.next();
			if (next.done) return true;
			this.#rest = next.value;
		}
		return false;
	}

	/** The next bytes. Throws if there are fewer. */
	async take(length: number): Promise<Buffer> {
		const parts: Uint8Array[] = [];
		for (let missing = length; missing > 0;) {
			if (await this.isAtEnd()) throw new Error('the file ends within a frame of zstd');
			const part = this.#rest.subarray(0, missing);
			this.#rest = this.#rest.subarray(part.length);
			missing -= part.length;
			parts.push(part);
		}
		return Buffer.concat(parts);
	}

	/** Stops reading. */
	async release(): Promise<void> {
		await this.#chunks.return?.();
	}
}
