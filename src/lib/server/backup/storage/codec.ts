import { LifeboatError } from '../../errors.ts';
import type { Compression, EncodingName } from '../format/names.ts';
import { decrypted, encrypted as encrypt } from './age.ts';
import { gunzipped, gzipped } from './gzip.ts';
import { unzstd, ZstdEncoder } from './zstd.ts';

/** How volumes are stored. */
export interface Encoding {
	compression: Compression;
	/** age public keys; none if volumes are not encrypted. */
	recipients: string[];
}

/** Encodes the SQL of a slice. One call has to end before the next. */
export type Encode = (slice: Uint8Array) => Promise<Uint8Array>;

/** The names of an encoding's parts, in the order in which they are applied. */
export function namesOf({ compression, recipients }: Encoding): EncodingName[] {
	const names: EncodingName[] = [];
	if (compression !== 'off') names.push(compression);
	if (recipients.length > 0) names.push('age');
	return names;
}

/** Encodes slices, each of which is decoded by itself. Throws `zstd_unavailable` (500). */
export function encoderOf({ compression, recipients }: Encoding): Encode {
	const compress = compressorOf(compression);
	if (recipients.length === 0) return compress;
	return async (slice) => encrypt(await compress(slice), recipients);
}

function compressorOf(compression: Compression): Encode {
	if (compression === 'gzip') return async (slice) => gzipped(slice);
	if (compression === 'off') return async (slice) => slice;
	const zstd = new ZstdEncoder();
	return (slice) => zstd.frame(slice);
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
