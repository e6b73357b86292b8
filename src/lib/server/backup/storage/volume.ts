import { createHash } from 'node:crypto';
import type { R2Bucket, R2MultipartUpload, R2UploadedPart } from '@cloudflare/workers-types';
import { type Manifest, volumeKey } from '../manifest.ts';
import { type Encoder, encoderOf, type Encoding, namesOf } from './codec.ts';
import { storageCall, tryRepeatedly } from './failure.ts';

/**
 * Bytes of one part of a multipart upload: the least that R2 takes (R2 > Multipart upload), so that
 * a volume may have 48 GiB in 10,000 parts while two parts are all that is ever in memory.
 */
export const PART_BYTES = 5 * 1024 * 1024;

/** A volume as it is stored, in the words of the manifest. */
export type StoredVolume = Manifest['volumes'][number];

/**
 * Encodes one volume and streams it into the bucket: one `put` when it is small, a multipart upload
 * when it is large. While a part is being sent, the next one fills up. Nothing shows under the key before
 * {@link finish}.
 */
export class VolumeWriter {
	readonly key: string;
	/** Bytes of SQL taken in so far. */
	sqlBytes = 0;
	readonly #bucket: R2Bucket;
	readonly #encoding: Encoding;
	readonly #encoder: Encoder;
	readonly #hash = createHash('sha256');
	readonly #parts: R2UploadedPart[] = [];
	#part = new Uint8Array(PART_BYTES);
	#otherPart = new Uint8Array(PART_BYTES);
	#filled = 0;
	#bytes = 0;
	#stored = false;
	#upload: R2MultipartUpload | null = null;
	#sending: Promise<void> = Promise.resolve();

	/** Volume `number`, from 1, of the backup `name`. */
	constructor(bucket: R2Bucket, name: string, number: number, encoding: Encoding) {
		this.#bucket = bucket;
		this.#encoding = encoding;
		this.#encoder = encoderOf(encoding);
		this.key = volumeKey(name, number, namesOf(encoding));
	}

	/** Takes SQL in; waits while two parts are full. Throws `storage_error` (500). */
	async write(sql: Uint8Array): Promise<void> {
		this.sqlBytes += sql.length;
		for (const bytes of await this.#encoder.push(sql)) await this.#append(bytes);
	}

	/** Stores the volume for good. Throws `storage_error` (500). */
	async finish(): Promise<StoredVolume> {
		for (const bytes of await this.#encoder.end()) await this.#append(bytes);
		const sha256 = this.#hash.digest('hex');
		await storageCall(async () => {
			if (this.#upload === null) {
				await this.#bucket.put(this.key, this.#part.subarray(0, this.#filled), { sha256 });
				return;
			}
			await this.#sendPart();
			await this.#sending;
			await this.#upload.complete(this.#parts);
		});
		this.#stored = true;
		return {
			key: this.key,
			bytes: this.#bytes,
			sha256,
			sqlBytes: this.sqlBytes,
			encodings: namesOf(this.#encoding),
		};
	}

	/** Takes back everything, also after {@link finish}. Never throws: R2 ends uploads after a week. */
	async abort(): Promise<void> {
		await this.#sending.catch(() => {});
		const upload = this.#upload;
		if (upload && !this.#stored) await tryRepeatedly(() => upload.abort());
		await tryRepeatedly(() => this.#bucket.delete(this.key));
	}

	async #append(bytes: Uint8Array): Promise<void> {
		this.#hash.update(bytes);
		this.#bytes += bytes.length;
		let rest = bytes;
		while (rest.length > 0) {
			if (this.#filled === PART_BYTES) await storageCall(() => this.#sendPart());
			const taken = rest.subarray(0, PART_BYTES - this.#filled);
			this.#part.set(taken, this.#filled);
			this.#filled += taken.length;
			rest = rest.subarray(taken.length);
		}
	}

	async #sendPart(): Promise<void> {
		this.#upload ??= await this.#bucket.createMultipartUpload(this.key);
		await this.#sending;
		const number = this.#parts.length + 1;
		const part = this.#part.subarray(0, this.#filled);
		const sending = this.#upload.uploadPart(number, part);
		this.#sending = sending.then((sent) => void this.#parts.push(sent));
		this.#sending.catch(() => {}); // it is reported by the next call that waits for it
		[this.#part, this.#otherPart] = [this.#otherPart, this.#part];
		this.#filled = 0;
	}
}
