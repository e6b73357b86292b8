import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { R2MultipartUpload, R2UploadedPart } from '../../platform.ts';
import type { Manifest } from '../format/manifest.ts';
import { type EncodingName, volumeKey } from '../format/names.ts';
import { MIN_PART_BYTES } from '../limits.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { retryStorage, tryRepeatedly } from './failure.ts';

/** Bytes of one part: 10,000 of them make 48 GiB, while no more than two are ever in memory. */
export const PART_BYTES = MIN_PART_BYTES;

/** Bytes of a part's buffer at first: most volumes are small. */
const FIRST_BYTES = 64 * 1024;

/** A volume as the manifest describes it. */
export type StoredVolume = Manifest['volumes'][number];

/**
 * Streams one volume into the bucket, slice by slice: with one `put` if it is small, else with a
 * multipart upload, which sends one part while the next one fills up. Nothing is stored under the key
 * before {@link finish}, and what was stored is never overwritten: the bucket may have a lock rule.
 */
export class VolumeWriter {
	readonly key: string;
	/** Bytes of SQL in the slices so far. */
	sqlBytes = 0;
	readonly #context: BucketContext;
	readonly #encodings: EncodingName[];
	readonly #hash = createHash('sha256');
	readonly #parts: R2UploadedPart[] = [];
	#part = new Uint8Array(FIRST_BYTES);
	#otherPart = new Uint8Array(0);
	#filled = 0;
	#bytes = 0;
	/** Whether there may be an object of ours under the key. */
	#sent = false;
	#upload: R2MultipartUpload | null = null;
	#sending: Promise<void> = Promise.resolve();

	/** Volume `number`, from 1 and never used before, of the backup `name`. */
	constructor(context: BucketContext, name: string, number: number, encodings: EncodingName[]) {
		this.#context = context;
		this.#encodings = encodings;
		this.key = volumeKey(name, number, encodings);
	}

	/**
	 * Takes a slice as it is stored, and the bytes of its SQL; waits while two parts are full. Throws
	 * `storage_error` (500).
	 */
	async write(slice: Uint8Array, sqlBytes: number): Promise<void> {
		this.sqlBytes += sqlBytes;
		await this.#append(slice);
	}

	/**
	 * Stores the volume. Throws `volume_exists` (409) if there is another volume with its number,
	 * `storage_error` (500).
	 */
	async finish(): Promise<StoredVolume> {
		const sha256 = this.#hash.digest('hex');
		if (this.#upload !== null) await this.#sendPart();
		await this.#sending;
		this.#sent = true;
		await (this.#upload ? this.#complete(this.#upload) : this.#put(sha256));
		return {
			key: this.key,
			bytes: this.#bytes,
			sha256,
			sqlBytes: this.sqlBytes,
			encodings: this.#encodings,
		};
	}

	/**
	 * Removes everything, also after {@link finish}, as long as no manifest or lock names the volume.
	 * Never throws: R2 ends uploads after a week, and a later backup removes what is left.
	 */
	async abort(): Promise<void> {
		await this.#sending.catch(() => {});
		const upload = this.#upload;
		if (upload) await tryRepeatedly(() => upload.abort());
		if (this.#sent) await tryRepeatedly(() => this.#context.bucket.delete(this.key));
	}

	async #put(sha256: string): Promise<void> {
		const body = this.#part.subarray(0, this.#filled);
		const put = { key: this.key, body, sha256, onlyIf: IF_ABSENT };
		if ((await putIf(this.#context, put)) !== null) return;
		this.#sent = false; // the object under the key is somebody else's
		throw volumeExists(this.key);
	}

	#complete(upload: R2MultipartUpload): Promise<void> {
		return this.#retry(async () => {
			try {
				await upload.complete(this.#parts);
			} catch (error) {
				// It may be complete all the same: nobody else writes under this key.
				if ((await this.#context.bucket.head(this.key))?.size !== this.#bytes) throw error;
			}
		});
	}

	#retry<T>(call: () => Promise<T>): Promise<T> {
		return retryStorage(call, this.#context.sleep);
	}

	async #append(bytes: Uint8Array): Promise<void> {
		this.#hash.update(bytes);
		this.#bytes += bytes.length;
		let rest = bytes;
		while (rest.length > 0) {
			if (this.#filled === PART_BYTES) await this.#sendPart();
			if (this.#filled === this.#part.length) this.#enlarge();
			const taken = rest.subarray(0, this.#part.length - this.#filled);
			this.#part.set(taken, this.#filled);
			this.#filled += taken.length;
			rest = rest.subarray(taken.length);
		}
	}

	#enlarge(): void {
		const bytes = Math.min(Math.max(2 * this.#part.length, FIRST_BYTES), PART_BYTES);
		const larger = new Uint8Array(bytes);
		larger.set(this.#part);
		this.#part = larger;
	}

	async #sendPart(): Promise<void> {
		const upload = (this.#upload ??= await this.#retry(() =>
			this.#context.bucket.createMultipartUpload(this.key),
		));
		await this.#sending;
		const number = this.#parts.length + 1;
		const part = this.#part.subarray(0, this.#filled);
		const sending = this.#retry(() => upload.uploadPart(number, part));
		this.#sending = sending.then((sent) => void this.#parts.push(sent));
		this.#sending.catch(() => {}); // the next call that waits for it throws the error
		[this.#part, this.#otherPart] = [this.#otherPart, this.#part];
		this.#filled = 0;
	}
}

function volumeExists(key: string): LifeboatError {
	return new LifeboatError(`There is already another volume ${key}.`, {
		code: 'volume_exists',
		status: 409,
		hint: 'Nothing was changed. Try again: each try stores its volume under another number.',
		retryable: true,
	});
}
