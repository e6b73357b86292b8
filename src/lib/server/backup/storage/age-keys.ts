import { bech32 } from '@scure/base';

// The keys of age as text (https://github.com/C2SP/C2SP/blob/main/age.md): bech32, whose checksum finds
// typing errors. Public keys are written in small letters, identities in capitals.

/** The bytes of an X25519 key, and of an identity of either kind. */
const KEY_BYTES = 32;
/** The bytes of a post-quantum public key: one of ML-KEM-768, one of X25519. */
const HYBRID_BYTES = 1184 + KEY_BYTES;

/** The kind of an age public key. Throws if the text is not one, or is of any other kind. */
export function recipientKind(recipient: string): 'x25519' | 'post-quantum' {
	const key = decode(recipient);
	if (recipient.startsWith('age1') && key !== null) {
		if (key.prefix === 'age1pq' && key.length === HYBRID_BYTES) return 'post-quantum';
		if (key.prefix === 'age' && key.length === KEY_BYTES) return 'x25519';
	}
	throw new Error('not a recipient');
}

/** The prefixes of identities whose public keys are of the kinds above. */
const IDENTITIES = ['age-secret-key-', 'age-secret-key-pq-'];

/** Whether a text is an age identity, of one of the kinds that {@link recipientKind} knows. */
export function isIdentity(text: string): boolean {
	const key = decode(text);
	if (!text.startsWith('AGE-') || key === null) return false;
	return IDENTITIES.includes(key.prefix) && key.length === KEY_BYTES;
}

/** What a text in bech32 holds, its prefix in small letters; null if it is not bech32. */
function decode(text: string): { prefix: string; length: number } | null {
	try {
		const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
		return { prefix, length: bech32.fromWords(words).length };
	} catch {
		return null; // the error quotes the text, which may be a secret in the wrong place
	}
}
