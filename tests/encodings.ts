import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { deriveKey } from '../src/lib/server/backup/format/signature.ts';
import type { Encoding } from '../src/lib/server/backup/storage/codec.ts';

// The ways to store a backup, with what opens it.

/** What opens the encrypted ones. */
export const identity = await generateX25519Identity();
const recipients = [await identityToRecipient(identity)];

/** What manifests are signed with. */
export const key = deriveKey(new TextEncoder().encode('a secret of the tests'));
/** What they are not signed with. */
export const otherKey = deriveKey(new TextEncoder().encode('the secret of somebody else'));

/** Every way to store a volume. */
export const ENCODINGS = {
	plain: { gzip: false, recipients: [] },
	gzip: { gzip: true, recipients: [] },
	age: { gzip: false, recipients },
	'gzip and age': { gzip: true, recipients },
} satisfies Record<string, Encoding>;

export type EncodingTitle = keyof typeof ENCODINGS;
