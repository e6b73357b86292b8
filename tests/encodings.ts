import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { deriveKey } from '../src/lib/server/backup/format/signature.ts';
import type { Encoding } from '../src/lib/server/backup/storage/codec.ts';

// The ways to store a backup, and the keys that open it.

/** The identity that decrypts encrypted backups. */
export const identity = await generateX25519Identity();
const recipients = [await identityToRecipient(identity)];

/** The key that signs manifests. */
export const key = deriveKey(new TextEncoder().encode('a secret of the tests'));
/** A key that signed none of them. */
export const otherKey = deriveKey(new TextEncoder().encode('the secret of somebody else'));

/** Every way to store a volume. */
export const ENCODINGS = {
	plain: { compression: 'off', recipients: [] },
	gzip: { compression: 'gzip', recipients: [] },
	zstd: { compression: 'zstd', recipients: [] },
	age: { compression: 'off', recipients },
	'gzip and age': { compression: 'gzip', recipients },
	'zstd and age': { compression: 'zstd', recipients },
} satisfies Record<string, Encoding>;

export type EncodingTitle = keyof typeof ENCODINGS;
