import { presentable } from './respond.ts';

/** A stream that breaks off unless exactly so many bytes are written to it (workerd). */
type FixedLength = new (length: number) => ReadableWritablePair<Uint8Array, Uint8Array>;

/**
 * The body of an answer of known length: the bytes, taken as the caller reads them. An error breaks the
 * answer off, because its status has been sent, and is logged.
 */
export function bodyOf(
	bytes: AsyncGenerator<Uint8Array, void, void>,
	length: number,
): ReadableStream<Uint8Array> {
	const stream = new ReadableStream<Uint8Array>({
		async pull(controller) {
			try {
				const { done, value } = await bytes.next();
				if (done) controller.close();
				else controller.enqueue(value);
			} catch (error) {
				console.error('A download was broken off:', presentable(error).message);
				controller.error(error);
			}
		},
		async cancel() {
			await bytes.return();
		},
	});
	const runtime: typeof globalThis & { FixedLengthStream?: FixedLength } = globalThis;
	const { FixedLengthStream } = runtime;
	// Without it, workerd leaves out Content-Length; other runtimes do not have it.
	return FixedLengthStream ? stream.pipeThrough(new FixedLengthStream(length)) : stream;
}
