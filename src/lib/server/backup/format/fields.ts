import * as v from 'valibot';

// Fields that the stored objects have in common.

/** A number of things or bytes. */
export const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A SHA-256 digest, in hexadecimal. */
export const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
