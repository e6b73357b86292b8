/** The steps of a program: each is told when it begins, and all of them in a table at the end. */
export class Steps {
	readonly #rows = [['step', 'what', 'result', 'time']];
	readonly #signal: AbortSignal;

	constructor(signal: AbortSignal) {
		this.#signal = signal;
	}

	/** Does the work of one step; `tell` puts its result in a few words. */
	async take<T>(
		name: string,
		what: string,
		work: () => Promise<T>,
		tell: (value: T) => string,
	): Promise<T> {
		this.#signal.throwIfAborted();
		console.log(`${name}: ${what} ...`);
		const start = performance.now();
		const value = await work();
		const seconds = (performance.now() - start) / 1000;
		this.#rows.push([name, what, tell(value), `${seconds.toFixed(1)} s`]);
		return value;
	}

	/** The table of the steps so far. */
	toString(): string {
		const widths = [0, 1, 2, 3].map((column) =>
			Math.max(...this.#rows.map((row) => row[column]?.length ?? 0)),
		);
		const rows = this.#rows.toSpliced(
			1,
			0,
			widths.map((width) => '-'.repeat(width)),
		);
		return rows
			.map((row) =>
				row
					.map((cell, column) => cell.padEnd(widths[column] ?? 0))
					.join('  ')
					.trimEnd(),
			)
			.join('\n');
	}
}
