import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { LifeboatError } from '../../errors.ts';
import type { EncodingName } from '../format/names.ts';
import { AgeEncoder, decrypted } from './age.ts';

/** How volumes are stored. */
export interface Encoding {
	gzip: boolean;
	/** age public keys; none if volumes are not encrypted. */
	recipients: string[];
}

/** Level 6, the default, took three times as long to save 6%. */
const GZIP_LEVEL = 3;
/** Bytes of gzip's output chunks. */
const GZIP_CHUNK_BYTES = 64 * 1024;

/** The names of an encoding's parts, in the order in which they are applied. */
export function namesOf({ gzip, recipients }: Encoding): EncodingName[] {
	const names: EncodingName[] = [];
	if (gzip) names.push('gzip');
	if (recipients.length > 0) names.push('age');
	return names;
}

/**
 * Takes bytes and returns the encoded bytes that are ready; it holds only a few chunks. Bytes that were
 * pushed must not be changed.
 */
export interface Encoder {
	push(bytes: Uint8Array): Promise<Uint8Array[]>;
	end(): Promise<Uint8Array[]>;
}

/** An encoder of one volume. */
export function encoderOf({ gzip, recipients }: Encoding): Encoder {
	const encoders: Encoder[] = [];
	if (gzip) encoders.push(new GzipEncoder());
	if (recipients.length > 0) encoders.push(new AgeEncoder(recipients));
	return encoders.reduce(chain, { push: async (bytes) => [bytes], end: async () => [] });
}

/**
 * Decodes a volume; `encodings` are in the order in which they were applied. The stream fails if the
 * bytes are cut off, damaged, or followed by others. Throws `backup_encrypted` (409) if an age identity
 * is needed and none is given, `identity_wrong` (422) if none fits.
 */
export function decoded(
	bytes: AsyncIterable<Uint8Array>,
	encodings: EncodingName[],
	identities: string[] = [],
): AsyncIterable<Uint8Array> {
	return encodings.toReversed().reduce((stream, encoding) => {
		if (encoding === 'gzip') return gunzipped(stream);
		if (identities.length === 0) throw encrypted();
		return decrypted(stream, identities);
	}, bytes);
}

/** `backup_encrypted` (409): the contents are needed, and there is no identity to decrypt them. */
export function encrypted(): LifeboatError {
	return new LifeboatError('The backup is encrypted, and the app cannot decrypt it.', {
		code: 'backup_encrypted',
		status: 409,
		hint: 'Run `npm run drill` or `npm run restore` with --identity FILE or AGE_IDENTITY_FILE where you keep the age identity.',
	});
}

/**
 * One gzip member. It uses node:zlib because CompressionStream buffers all its input, whether or not the
 * output is read (workerd: compression.c++), and has only one level.
 */
class GzipEncoder implements Encoder {
	readonly #gzip = createGzip({ level: GZIP_LEVEL, chunkSize: GZIP_CHUNK_BYTES });
	readonly #ready: Uint8Array[] = [];

	constructor() {
		this.#gzip.on('data', (bytes: Uint8Array) => this.#ready.push(bytes));
	}

	async push(bytes: Uint8Array): Promise<Uint8Array[]> {
		await new Promise<void>((resolve, reject) => {
			this.#gzip.write(bytes, (error) => (error ? reject(error) : resolve()));
		});
		return this.#ready.splice(0);
	}

	async end(): Promise<Uint8Array[]> {
		await new Promise<void>((resolve, reject) => {
			this.#gzip.once('end', resolve).once('error', reject).end();
		});
		return this.#ready.splice(0);
	}
}

function chain(first: Encoder, second: Encoder): Encoder {
	const through = async (parts: Uint8Array[]) => {
		const encoded: Uint8Array[] = [];
		for (const part of parts) encoded.push(...(await second.push(part)));
		return encoded;
	};
	return {
		push: async (bytes) => through(await first.push(bytes)),
		end: async () => [...(await through(await first.end())), ...(await second.end())],
	};
}

/**
 * Decompresses one or more gzip members in a row, like gunzip. Anything else after them is an error:
 * zlib takes zeros for the end of its input (node_zlib.cc) and would never read what follows.
 */
async function* gunzipped(
	bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
	const gunzip = createGunzip({ chunkSize: GZIP_CHUNK_BYTES });
	let given = 0;
	let ended = false;
	const counted = async function* () {
		for await (const chunk of bytes) {
			given += chunk.length;
			yield chunk;
		}
		ended = true;
	};
	// The reader gets the error.
	yield* pipeline(Readable.from(counted()), gunzip, () => {});
	if (!ended || gunzip.bytesWritten !== given)
		throw new Error('there are bytes after the end of gzip');
}
