import type { Gate } from './bucket.ts';

/** How a call of D1 or R2 ends. */
export type Fate =
	| 'done'
	/** It fails before it is done. */
	| 'refused'
	/** It is done, and its answer is an error. */
	| 'lost';

/** The messages of R2 and D1 for a transient failure. */
const TROUBLE = 'Network connection lost. (10001)';

interface Parked {
	make: (fate: Fate) => void;
	/** The key of the object that it writes. */
	key: string;
}

/**
 * Work that makes its calls of D1 and R2 one at a time, on command, so that a test can make anything
 * happen between two calls. The calls of a dead Worker never return.
 */
export class Worker<T> {
	/** When it started, in milliseconds since 1970. */
	readonly startedAt: number;
	/** How it ended; null while it is running. */
	outcome: { value: T } | { error: unknown } | null = null;
	#dead = false;
	#parked: Parked[] = [];
	#stirred: () => void = () => {};

	private constructor(startedAt: number) {
		this.startedAt = startedAt;
	}

	/** Calls that wait to be made. */
	get isWaiting(): boolean {
		return !this.#dead && this.outcome === null && this.#parked.length > 0;
	}

	/** Starts some work at a time, up to its first call. */
	static async start<T>(startedAt: number, work: (gate: Gate) => Promise<T>): Promise<Worker<T>> {
		const worker = new Worker<T>(startedAt);
		work((call, key = '') => worker.#park(call, key)).then(
			(value) => worker.#end({ value }),
			(error: unknown) => worker.#end({ error }),
		);
		await worker.#idle();
		return worker;
	}

	/** Makes the next call, and continues up to the one after it. */
	async advance(fate: Fate = 'done'): Promise<void> {
		if (!this.isWaiting) return;
		this.#parked.shift()?.make(fate);
		await this.#idle();
	}

	/** Continues until it is about to write an object whose key has this ending. */
	async reach(ending: string): Promise<void> {
		while (this.isWaiting && !this.#parked[0]?.key.endsWith(ending)) await this.advance();
	}

	/** Kills it as the runtime kills a Worker: before its next call, or after it. */
	die({ afterwards = false } = {}): void {
		if (!this.isWaiting) return;
		this.#dead = true;
		if (afterwards) this.#parked[0]?.make('done');
		this.#parked = [];
	}

	#park<R>(call: () => R, key: string): Promise<R> {
		return new Promise<R>((resolve, reject) => {
			const make = (fate: Fate) => {
				try {
					if (fate === 'refused') throw new Error(TROUBLE);
					const result = call();
					if (fate === 'lost') throw new Error(TROUBLE);
					if (!this.#dead) resolve(result);
				} catch (error) {
					if (!this.#dead) reject(error);
				}
			};
			if (this.#dead) return;
			this.#parked.push({ make, key });
			this.#stirred();
		});
	}

	#end(outcome: { value: T } | { error: unknown }): void {
		this.outcome = outcome;
		this.#stirred();
	}

	async #idle(): Promise<void> {
		while (this.outcome === null && this.#parked.length === 0) {
			await new Promise<void>((resolve) => (this.#stirred = resolve));
		}
	}
}
