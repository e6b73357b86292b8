import * as v from 'valibot';

// Fields that the stored objects have in common.

/** A number of things or bytes. */
export const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A SHA-256 digest, in hexadecimal. */
export const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** A slice as a manifest has it: table, rows, bytes of SQL, stored bytes, and the two digests (slices.ts). */
export const SliceText = v.pipe(
	v.string(),
	v.regex(/^(?:-|\d{1,7}) \d{1,15} \d{1,15} \d{1,15} [0-9a-f]{64} [0-9a-f]{64}$/),
);

/** Slices in a row as a manifest has them. */
export const RunText = v.pipe(v.string(), v.regex(/^(?:own|parent) \d{1,9}-\d{1,9}$/));
