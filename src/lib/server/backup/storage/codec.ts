import { LifeboatError } from '../../errors.ts';
import type { Compression, EncodingName } from '../format/names.ts';
import { AgeEncoder, decrypted } from './age.ts';
import { gunzipped, GzipEncoder } from './gzip.ts';
import { unzstd, ZstdEncoder } from './zstd.ts';

/** How volumes are stored. */
export interface Encoding {
	compression: Compression;
	/** age public keys; none if volumes are not encrypted. */
	recipients: string[];
}

/** The names of an encoding's parts, in the order in which they are applied. */
export function namesOf({ compression, recipients }: Encoding): EncodingName[] {
	const names: EncodingName[] = [];
	if (compression !== 'off') names.push(compression);
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

/** An encoder of one volume. Throws `zstd_unavailable` (500). */
export function encoderOf({ compression, recipients }: Encoding): Encoder {
	const encoders: Encoder[] = [];
	if (compression === 'gzip') encoders.push(new GzipEncoder());
	if (compression === 'zstd') encoders.push(new ZstdEncoder());
	if (recipients.length > 0) encoders.push(new AgeEncoder(recipients));
	return encoders.reduce(chain, { push: async (bytes) => [bytes], end: async () => [] });
}

/**
 * Decodes a volume; `encodings` are in the order in which they were applied. The stream fails if the
 * bytes are cut off, damaged, or followed by others. Throws `backup_encrypted` (409) if an age identity
 * is needed and none is given, `identity_wrong` (422) if none fits, `zstd_unavailable` (500).
 */
export function decoded(
	bytes: AsyncIterable<Uint8Array>,
	encodings: EncodingName[],
	identities: string[] = [],
): AsyncIterable<Uint8Array> {
	return encodings.toReversed().reduce((stream, encoding) => {
		if (encoding === 'gzip') return gunzipped(stream);
		if (encoding === 'zstd') return unzstd(stream);
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
