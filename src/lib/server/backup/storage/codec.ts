import { LifeboatError } from '../../errors.ts';

type Encoding = 'gzip' | 'age';

/**
 * A volume's bytes without its encodings, which are named in the order in which they were applied.
 * What is cut or damaged makes the stream fail.
 */
export function decoded(
	bytes: AsyncIterable<Uint8Array>,
	encodings: Encoding[],
): AsyncIterable<Uint8Array> {
	return encodings.toReversed().reduce((stream, encoding) => decoders[encoding](stream), bytes);
}

const decoders: Record<Encoding, (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>> =
	{
		gzip: (bytes) => streamOf(bytes).pipeThrough(new DecompressionStream('gzip')),
		age: () => {
			throw new LifeboatError('The backup is encrypted, and this version cannot read it.', {
				code: 'encryption_unsupported',
				status: 422,
				hint: 'Decrypt its volumes with `age -d` and restore the SQL files.',
			});
		},
	};

/** A stream that asks for a chunk when it needs one. */
function streamOf(bytes: AsyncIterable<Uint8Array>): ReadableStream<BufferSource> {
	const iterator = bytes[Symbol.asyncIterator]();
	return new ReadableStream({
		async pull(controller) {
			const { done, value } = await iterator.next();
			if (done) controller.close();
			else controller.enqueue(value as Uint8Array<ArrayBuffer>);
		},
		async cancel() {
			await iterator.return?.();
		},
	});
}
