import { print } from '../terminal/print.ts';
import { formatTable, seconds } from '../terminal/text.ts';

/** Announces each step of a program, and puts all of them in a table. */
export class Steps {
	readonly #rows: string[][] = [];
	readonly #signal: AbortSignal;

	constructor(signal: AbortSignal) {
		this.#signal = signal;
	}

	/** Does the work of a step; `describe` puts its result in a few words. */
	async take<T>(
		name: string,
		what: string,
		work: () => Promise<T>,
		describe: (value: T) => string,
	): Promise<T> {
		this.#signal.throwIfAborted();
		print([`${name}: ${what} ...`]);
		const start = performance.now();
		const value = await work();
		this.#rows.push([name, what, describe(value), seconds(performance.now() - start)]);
		return value;
	}

	/** The lines of a table of the steps so far. */
	format(): string[] {
		return formatTable(['step', 'what', 'result', 'time'], this.#rows);
	}
}
