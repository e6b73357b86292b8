import { Decrypter, Encrypter } from 'age-encryption';
import { LifeboatError } from '../../errors.ts';

// age files (age-encryption.org/v1). All cryptography is typage's.

/** The kind of an age public key. Throws if the text is not one, or is of any other kind. */
export function recipientKind(recipient: string): 'x25519' | 'post-quantum' {
	const hybrid = recipient.startsWith('age1pq1');
	if (!hybrid && !/^age1[ac-hj-np-z02-9]{58}$/.test(recipient)) throw new Error('not a recipient');
	new Encrypter().addRecipient(recipient);
	return hybrid ? 'post-quantum' : 'x25519';
}

/** Encrypts bytes for recipients. Pushed bytes must not be changed: they may be read later. */
export class AgeEncoder {
	readonly #input = new TransformStream<Uint8Array, Uint8Array>();
	readonly #writer = this.#input.writable.getWriter();
	readonly #ready: Uint8Array[] = [];
	readonly #finished: Promise<void>;

	constructor(recipients: string[]) {
		this.#finished = this.#encrypt(recipients);
		// The writer gets the error.
		this.#finished.catch((error: unknown) => this.#writer.abort(error));
	}

	async push(bytes: Uint8Array): Promise<Uint8Array[]> {
		await this.#writer.write(bytes);
		return this.#ready.splice(0);
	}

	async end(): Promise<Uint8Array[]> {
		await this.#writer.close();
		await this.#finished;
		return this.#ready.splice(0);
	}

	async #encrypt(recipients: string[]): Promise<void> {
		const encrypter = new Encrypter();
		for (const recipient of recipients) encrypter.addRecipient(recipient);
		const encrypted = await encrypter.encrypt(this.#input.readable);
		for await (const bytes of encrypted) this.#ready.push(bytes);
	}
}

/**
 * The plain text of an age file. Throws if the file is cut off or damaged, and `identity_wrong` (422)
 * if none of the identities opens it. A damaged header looks like a wrong identity.
 */
export async function* decrypted(
	bytes: AsyncIterable<Uint8Array>,
	identities: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const decrypter = new Decrypter();
	for (const identity of identities) decrypter.addIdentity(identity);
	// Reached only if no identity before it fits.
	decrypter.addIdentity({
		unwrapFileKey() {
			throw identityWrong();
		},
	});
	yield* await decrypter.decrypt(streamOf(bytes));
}

/** A stream that takes each chunk only when its reader asks for one. */
function streamOf(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
	const iterator = bytes[Symbol.asyncIterator]();
	return new ReadableStream(
		{
			async pull(controller) {
				const { done, value } = await iterator.next();
				if (done) controller.close();
				else controller.enqueue(value);
			},
			async cancel() {
				await iterator.return?.();
			},
		},
		{ highWaterMark: 0 },
	);
}

function identityWrong(): LifeboatError {
	return new LifeboatError('The backup is not encrypted for this identity.', {
		code: 'identity_wrong',
		status: 422,
		hint: 'Use the identity of one of the recipients in its manifest.',
	});
}
