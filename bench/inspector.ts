import { setTimeout as sleep } from 'node:timers/promises';

/** Time between two samples of the CPU profiler. */
const SAMPLING_INTERVAL_US = 1000;
const HEAP_INTERVAL_MS = 100;
const CLOSED = 'The inspector closed the connection.';

/** What the Worker itself used, without the rest of the workerd process. */
export interface Profile {
	seconds: number;
	workerCpuSeconds: number;
	/** Its heap and the buffers that the heap refers to, garbage included, in millions of bytes. */
	restingHeapMegabytes: number;
	peakHeapMegabytes: number;
}

interface CpuProfile {
	nodes: { id: number; callFrame: { functionName: string } }[];
	samples: number[];
	/** Microseconds since the previous sample. */
	timeDeltas: number[];
}

interface HeapUsage {
	usedSize: number;
	embedderHeapUsedSize?: number;
	backingStorageSize?: number;
}

/** Profiles the Worker behind the inspector at this port with V8's profiler during the work. */
export async function profileWorker(port: number, work: () => Promise<unknown>): Promise<Profile> {
	using inspector = await Inspector.open(port);
	await inspector.call('Profiler.enable');
	await inspector.call('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US });
	const heap = async () => heapMegabytes(await inspector.call<HeapUsage>('Runtime.getHeapUsage'));
	const restingHeapMegabytes = await heap();
	let peakHeapMegabytes = restingHeapMegabytes;
	await inspector.call('Profiler.start');
	const started = performance.now();
	let ended = false;
	const working = work().finally(() => (ended = true));
	const watch = async () => {
		for (; !ended; await sleep(HEAP_INTERVAL_MS)) {
			peakHeapMegabytes = Math.max(peakHeapMegabytes, await heap());
		}
	};
	await Promise.all([working, watch()]);
	const seconds = (performance.now() - started) / 1000;
	const { profile } = await inspector.call<{ profile: CpuProfile }>('Profiler.stop');
	const workerCpuSeconds = cpuSeconds(profile);
	return { seconds, workerCpuSeconds, restingHeapMegabytes, peakHeapMegabytes };
}

/**
 * CPU time of the Worker. V8 samples only while the thread is inside the Worker's isolate: in its
 * JavaScript, its garbage collector, or workerd's C++ code on its behalf. While D1 or another isolate
 * has the thread, there are no samples. So a long gap was not the Worker's time, and the sample after
 * it counts as one interval.
 */
function cpuSeconds({ nodes, samples, timeDeltas }: CpuProfile): number {
	const idle = nodes.find(({ callFrame }) => callFrame.functionName === '(idle)')?.id;
	const microseconds = samples.map((node, index) => {
		const delta = timeDeltas[index] ?? 0;
		if (node === idle) return 0;
		return delta > 2 * SAMPLING_INTERVAL_US ? SAMPLING_INTERVAL_US : delta;
	});
	return microseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

function heapMegabytes({
	usedSize,
	embedderHeapUsedSize = 0,
	backingStorageSize = 0,
}: HeapUsage): number {
	return (usedSize + embedderHeapUsedSize + backingStorageSize) / 1e6;
}

/** The Chrome DevTools protocol over a WebSocket. */
class Inspector implements Disposable {
	readonly #socket: WebSocket;
	readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
	#lastId = 0;

	private constructor(socket: WebSocket) {
		this.#socket = socket;
		socket.onmessage = ({ data }) => this.#settle(String(data));
		socket.onclose = () => {
			for (const { reject } of this.#calls.values()) reject(new Error(CLOSED));
		};
	}

	/** Connects to the inspector of `wrangler pages dev`. */
	static async open(port: number): Promise<Inspector> {
		// wrangler rejects other origins. Node's WebSocket takes headers, although its type omits them.
		const options: unknown = { headers: { Origin: 'http://localhost' } };
		const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, options as string[]);
		const { promise, resolve, reject } = Promise.withResolvers<unknown>();
		socket.onopen = resolve;
		socket.onerror = () => reject(new Error('The inspector does not respond.'));
		await promise;
		return new Inspector(socket);
	}

	/** Calls a method of the protocol. Rejects with the error if the inspector responds with one. */
	call<T = unknown>(method: string, params: object = {}): Promise<T> {
		if (this.#socket.readyState !== WebSocket.OPEN) throw new Error(CLOSED);
		const id = ++this.#lastId;
		const call = Promise.withResolvers<unknown>();
		this.#calls.set(id, call);
		this.#socket.send(JSON.stringify({ id, method, params }));
		return call.promise as Promise<T>;
	}

	[Symbol.dispose](): void {
		this.#socket.close();
	}

	#settle(message: string): void {
		const { id, result, error } = JSON.parse(message) as {
			id?: number; // events have none
			result?: unknown;
			error?: { message: string };
		};
		const call = this.#calls.get(id ?? 0);
		this.#calls.delete(id ?? 0);
		if (error) call?.reject(new Error(error.message));
		else call?.resolve(result);
	}
}
