import { createHash } from 'node:crypto';
import type { LifeboatError } from '../../errors.ts';
import type { StoredRange } from '../storage/bucket.ts';
import { damaged } from './damage.ts';
import { type Part, titleOf } from './parts.ts';

/** Opens a volume as it is stored, or a range of it; null if it is missing. A range that it lacks is empty. */
export type OpenVolume = (
	key: string,
	range?: StoredRange,
) => Promise<AsyncIterable<Uint8Array> | null>;

/** Bytes between two parts that are read and thrown away rather than opening the volume again. */
const MIN_SKIPPED = 1024 * 1024;
/**
 * And the share of all stored bytes: so no more than this many gaps are larger, and a backup takes few
 * calls of R2, of which a Worker on the free plan has 50 (MAX_SUBREQUESTS).
 */
const GAPS = 8;
/** Volumes that are open at once: a Worker has six connections (Workers > Limits). */
const MAX_OPEN = 3;

/**
 * Reads the parts of a backup, neighbours from one stream: of the parent's volume and of its own in turn.
 * `close` it at the end.
 */
export class PartReader {
	readonly #open: OpenVolume;
	readonly #parts: readonly Part[];
	/** Where the row of neighbours ends that each part belongs to. */
	readonly #ends: number[];
	/** The one that was used last comes last. */
	readonly #streams = new Map<string, OpenStream>();

	constructor(open: OpenVolume, parts: readonly Part[]) {
		this.#open = open;
		this.#parts = parts;
		this.#ends = endsOf(parts);
	}

	/**
	 * The bytes of the part of this number, counted from 0. Throws `backup_damaged` (422) at their end if
	 * they differ from what the manifest says, or if the volume goes on after its end.
	 */
	async *read(number: number): AsyncGenerator<Uint8Array, void, void> {
		const part = this.#parts[number];
		if (!part) throw new RangeError(`there is no part ${number}`);
		const stream = await this.#streamAt(part, this.#ends[number] ?? 0);
		const hash = createHash('sha256');
		let length = 0;
		for await (const chunk of stream.take(part.bytes)) {
			hash.update(chunk);
			length += chunk.length;
			yield chunk;
		}
		const { bytes } = part.volume;
		if (length < part.bytes) throw cutOff(part, stream);
		if (stream.at === bytes && !(await stream.isAtEnd())) {
			throw damaged(`The ${titleOf(part)} has more than its ${bytes} bytes.`);
		}
		if (hash.digest('hex') !== part.sha256) {
			throw damaged(`The bytes of the ${titleOf(part)} are not those that were stored.`);
		}
		if (stream.at === stream.end) await this.#close(part.volume.key);
	}

	/** Ends what is still open. */
	async close(): Promise<void> {
		for (const key of [...this.#streams.keys()]) await this.#close(key);
	}

	/** A stream stays open only while its next part belongs to the same row of neighbours. */
	async #streamAt(part: Part, end: number): Promise<OpenStream> {
		const { key } = part.volume;
		const open = this.#streams.get(key);
		if (open) {
			this.#streams.delete(key);
			this.#streams.set(key, open);
			await open.skip(part.offset - open.at);
			return open;
		}
		const [oldest] = this.#streams.keys();
		if (oldest !== undefined && this.#streams.size >= MAX_OPEN) await this.#close(oldest);
		const stored = await this.#open(key, rangeOf(part, end));
		if (stored === null) throw damaged(`The ${titleOf(part)} is missing.`);
		const stream = new OpenStream(stored, part.offset, end);
		this.#streams.set(key, stream);
		return stream;
	}

	async #close(key: string): Promise<void> {
		const stream = this.#streams.get(key);
		this.#streams.delete(key);
		await stream?.close();
	}
}

/** A volume that is read from a place on. */
class OpenStream {
	/** The place of the next byte. */
	at: number;
	readonly start: number;
	readonly end: number;
	readonly #chunks: AsyncIterator<Uint8Array>;
	#rest: Uint8Array = new Uint8Array(0);

	constructor(stored: AsyncIterable<Uint8Array>, at: number, end: number) {
		this.#chunks = stored[Symbol.asyncIterator]();
		this.at = at;
		this.start = at;
		this.end = end;
	}

	/** The next bytes; fewer if the volume ends before. */
	async *take(length: number): AsyncGenerator<Uint8Array, void, void> {
		for (let left = length; left > 0 && !(await this.isAtEnd());) {
			const chunk = this.#rest.subarray(0, left);
			this.#rest = this.#rest.subarray(chunk.length);
			this.at += chunk.length;
			left -= chunk.length;
			yield chunk;
		}
	}

	async skip(length: number): Promise<void> {
		const skipped = this.take(length);
		while (!(await skipped.next()).done);
	}

	async isAtEnd(): Promise<boolean> {
		while (this.#rest.length === 0) {
			const next = await this.#chunks.next();
			if (next.done) return true;
			this.#rest = next.value;
		}
		return false;
	}

	async close(): Promise<void> {
		await this.#chunks.return?.();
	}
}

function cutOff(part: Part, { start, at }: OpenStream): LifeboatError {
	const { bytes } = part.volume;
	const isKnown = start === 0 || at > start;
	const what = isKnown
		? `has ${at} bytes instead of ${bytes}`
		: `is shorter than its ${bytes} bytes`;
	return damaged(`The ${titleOf(part)} ${what}.`);
}

/** Up to the end of a volume without a length, so that bytes after it are noticed. */
function rangeOf({ offset, volume }: Part, end: number): StoredRange | undefined {
	if (end < volume.bytes) return { offset, length: end - offset };
	return offset === 0 ? undefined : { offset };
}

/** For each part, where the last one ends that is read from the same stream. */
function endsOf(parts: readonly Part[]): number[] {
	const stored = new Map(parts.map(({ volume }) => [volume.key, volume.bytes]));
	const total = stored.values().reduce((sum, bytes) => sum + bytes, 0);
	const gap = Math.max(MIN_SKIPPED, total / GAPS);
	const next = new Map<string, { offset: number; end: number }>();
	const ends = parts.map(() => 0);
	for (const [number, { volume, offset, bytes }] of [...parts.entries()].reverse()) {
		const after = next.get(volume.key);
		const own = offset + bytes;
		const isNear = after !== undefined && own <= after.offset && after.offset - own <= gap;
		const end = isNear ? after.end : own;
		next.set(volume.key, { offset, end });
		ends[number] = end;
	}
	return ends;
}
