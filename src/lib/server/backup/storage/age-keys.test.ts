import {
	Decrypter,
	Encrypter,
	generateHybridIdentity,
	generateX25519Identity,
	identityToRecipient,
} from 'age-encryption';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { counted, SEED } from '../../../../../tests/counts.ts';
import { isIdentity, recipientKind } from './age-keys.ts';

// age's own library is the judge: what passes here must be what it encrypts for, or opens with.

const x25519 = await generateX25519Identity();
const hybrid = await generateHybridIdentity();
const recipients = [await identityToRecipient(x25519), await identityToRecipient(hybrid)] as const;

test('the kinds of public keys', () => {
	expect(recipients.map(recipientKind)).toEqual(['x25519', 'post-quantum']);
});

test('identities of both kinds', () => {
	expect([x25519, hybrid].map(isIdentity)).toEqual([true, true]);
});

test.for([
	...['', 'age1', 'age1pq1', 'AGE-SECRET-KEY-1', 'AGE-SECRET-KEY-PQ-1', 'ssh-ed25519 AAAA'],
	// The example of a plugin's identity in the age plugin specification.
	'AGE-PLUGIN-YUBIKEY-1GKZHAQYZLU8TS6GQDJW5F',
	// A valid recipient of another kind, from the specification of tagged recipients.
	'age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e',
])('%j is neither', (text) => {
	expect(() => recipientKind(text)).toThrow();
	expect(isIdentity(text)).toBe(false);
});

test('a key with other characters, cut off, or in the other case is judged as age does', () => {
	const key = fc.constantFrom(...recipients, x25519, hybrid);
	const change = fc.oneof(
		fc.tuple(fc.nat(), fc.constantFrom('q', 'Q', '1', 'é', ' ')).map(
			([at, character]) =>
				(text: string) =>
					text.slice(0, at % text.length) + character + text.slice((at % text.length) + 1),
		),
		fc.nat().map((end) => (text: string) => text.slice(0, end % text.length)),
		fc.constant((text: string) => text.toUpperCase()),
		fc.constant((text: string) => text.toLowerCase()),
		fc.constant((text: string) => text),
	);
	const property = fc.property(key, change, (text, changed) => {
		const given = changed(text);
		expect(passes(() => recipientKind(given))).toBe(
			passes(() => new Encrypter().addRecipient(given)),
		);
		expect(isIdentity(given)).toBe(passes(() => new Decrypter().addIdentity(given)));
	});
	fc.assert(property, { numRuns: counted(4_000), seed: SEED });
});

function passes(call: () => unknown): boolean {
	try {
		call();
		return true;
	} catch {
		return false;
	}
}
