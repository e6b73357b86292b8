import { Buffer } from 'node:buffer';
import type { Encrypter } from 'age-encryption';
import { LifeboatError } from '../../errors.ts';

// age files (age-encryption.org/v1). All cryptography is typage's, which is loaded when it is needed: that
// takes a third of the time in which a command starts.

/** One age file for recipients. */
export async function encrypted(bytes: Uint8Array, recipients: string[]): Promise<Uint8Array> {
	return (await encrypterFor(recipients)).encrypt(bytes);
}

/** The same for bytes that come one after the other. Throws what reading them throws. */
export async function* encryptedStream(
	bytes: AsyncIterable<Uint8Array>,
	recipients: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const encrypter = await encrypterFor(recipients);
	yield* await encrypter.encrypt(streamOf(bytes));
}

/**
 * The plain text of one or more age files in a row. Throws if one is cut off or damaged, and
 * `identity_wrong` (422) if none of the identities opens it. A damaged header looks like a wrong identity.
 */
export async function* decrypted(
	bytes: AsyncIterable<Uint8Array>,
	identities: string[],
): AsyncGenerator<Uint8Array, void, void> {
	const { Decrypter } = await import('age-encryption');
	const decrypter = new Decrypter();
	for (const identity of identities) decrypter.addIdentity(identity);
	// Reached only if no identity before it fits.
	decrypter.addIdentity({
		unwrapFileKey() {
			throw identityWrong();
		},
	});
	for await (const file of filesIn(bytes)) yield* await decrypter.decrypt(streamOf(file));
}

/** How an age file begins. What follows its header is ciphertext, in which this does not occur by chance. */
const START = Buffer.from('age-encryption.org/v1\n-> ');

/** The age files in a row, each to be read to its end before the next one. */
async function* filesIn(
	bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<AsyncGenerator<Uint8Array, void, void>, void, void> {
	const input = bytes[Symbol.asyncIterator]();
	let rest: Buffer = Buffer.alloc(0);
	let isAtEnd = false;
	async function* file(): AsyncGenerator<Uint8Array, void, void> {
		let from = 1; // its own start does not end it
		for (;;) {
			const next = rest.indexOf(START, from);
			// The last bytes may be those with which another file starts.
			const unsure = isAtEnd ? 0 : START.length - 1;
			const end = next === -1 ? Math.max(0, rest.length - unsure) : next;
			const given = rest.subarray(0, end);
			rest = rest.subarray(end);
			if (given.length > 0) {
				yield given;
				from = 0;
			}
			if (next !== -1 || isAtEnd) return;
			const { done, value } = await input.next();
			isAtEnd = done ?? false;
			if (!done) rest = Buffer.concat([rest, value]);
		}
	}
	try {
		do yield file();
		while (rest.length > 0);
	} finally {
		await input.return?.();
	}
}

async function encrypterFor(recipients: string[]): Promise<Encrypter> {
	const { Encrypter } = await import('age-encryption');
	const encrypter = new Encrypter();
	for (const recipient of recipients) encrypter.addRecipient(recipient);
	return encrypter;
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
