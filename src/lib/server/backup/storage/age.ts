import { Decrypter, Encrypter } from 'age-encryption';
import { LifeboatError } from '../../errors.ts';

// Files of age (age-encryption.org/v1), all of whose cryptography is that of typage.

/** Throws where a text is no public key of age, or one of another kind than these two. */
export function recipientKind(recipient: string): 'x25519' | 'post-quantum' {
	const hybrid = recipient.startsWith('age1pq1');
	if (!hybrid && !/^age1[ac-hj-np-z02-9]{58}$/.test(recipient)) throw new Error('no recipient');
	new Encrypter().addRecipient(recipient);
	return hybrid ? 'post-quantum' : 'x25519';
}

/** Encrypts bytes for recipients. Those that were pushed must stay as they are: the last are not read yet. */
export class AgeEncoder {
	readonly #input = new TransformStream<Uint8Array, Uint8Array>();
	readonly #writer = this.#input.writable.getWriter();
	readonly #ready: Uint8Array[] = [];
	readonly #finished: Promise<void>;

	constructor(recipients: string[]) {
		this.#finished = this.#encrypt(recipients);
		// Whoever writes hears of the error.
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
 * The plain text of a file of age. What is cut or damaged throws, and so does `identity_wrong` (422)
 * where none of the identities opens it, as it seems when the part for one of them is damaged.
 */
export async function* decrypted(
	bytes: AsyncIterable<Uint8Array>,
	identities: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const decrypter = new Decrypter();
	for (const identity of identities) decrypter.addIdentity(identity);
	// Asked only when none before it fits.
	decrypter.addIdentity({
		unwrapFileKey() {
			throw identityWrong();
		},
	});
	yield* await decrypter.decrypt(streamOf(bytes));
}

/** A stream that asks for a chunk when it is asked for one. */
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
	return new LifeboatError('The backup is encrypted for others than this identity.', {
		code: 'identity_wrong',
		status: 422,
		hint: 'Give the identity of one of the recipients that its manifest names.',
	});
}
