import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { LifeboatError } from '../../errors.ts';
import type { EncodingName } from '../format/names.ts';
import { AgeEncoder, decrypted } from './age.ts';

/** How volumes are stored. */
export interface Encoding {
	gzip: boolean;
	/** Public keys of age; none for a volume that is not encrypted. */
	recipients: string[];
}

/** SQL text as it is. */
export const PLAIN: Encoding = { gzip: false, recipients: [] };

/** Level 6, the usual, took three times as long for 6% less. */
const GZIP_LEVEL = 3;
/** Bytes that gzip hands out at once. */
const GZIP_CHUNK_BYTES = 64 * 1024;

/** The names of an encoding's parts, in the order in which they are applied. */
export function namesOf({ gzip, recipients }: Encoding): EncodingName[] {
	return [...(gzip ? ['gzip' as const] : []), ...(recipients.length > 0 ? ['age' as const] : [])];
}

/**
 * Takes bytes and gives what is ready of their encoded form: no more is held than a few chunks.
 * Nobody may change bytes that were pushed.
 */
export interface Encoder {
	push(bytes: Uint8Array): Promise<Uint8Array[]>;
	end(): Promise<Uint8Array[]>;
}

/** An encoder of one volume. */
export function encoderOf({ gzip, recipients }: Encoding): Encoder {
	const encoders: Encoder[] = [
		...(gzip ? [new GzipEncoder()] : []),
		...(recipients.length > 0 ? [new AgeEncoder(recipients)] : []),
	];
	return encoders.reduce(chain, { push: async (bytes) => [bytes], end: async () => [] });
}

/**
 * A volume's bytes without its encodings, which are named in the order in which they were applied.
 * What is cut, damaged or continued makes the stream fail. Throws `backup_encrypted` (409) without identities
 * of age where one is needed, `identity_wrong` (422) when none of them fits.
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

/** `backup_encrypted` (409): what has to be read is encrypted, and nobody here can open it. */
export function encrypted(): LifeboatError {
	return new LifeboatError('The backup is encrypted, and nothing here can open it.', {
		code: 'backup_encrypted',
		status: 409,
		hint: 'Go where the identity of age is: `npm run drill` or `npm run restore` with --identity FILE or AGE_IDENTITY_FILE.',
	});
}

/**
 * gzip, one member. It is that of node:zlib because CompressionStream takes in all that it is
 * given, read or not (workerd: compression.c++), and has one level only.
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
 * Several gzip files in a row are one, as for gunzip. Anything else behind them is an error: zlib
 * takes zeros for the end of all (node_zlib.cc), and whatever follows them would never be read.
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
	// Whoever reads hears of the error.
	yield* pipeline(Readable.from(counted()), gunzip, () => {});
	if (!ended || gunzip.bytesWritten !== given) throw new Error('bytes behind the end of gzip');
}
