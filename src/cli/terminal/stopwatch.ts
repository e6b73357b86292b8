import type { Progress } from './progress.ts';

/** Shows the steps of a command as they begin, and measures each. */
export class Stopwatch<Step extends string> {
	readonly times: { step: Step; milliseconds: number }[] = [];
	readonly #progress: Progress;
	readonly #titles: Record<Step, string>;
	#step: Step | null = null;
	#startedAt = 0;

	/** `titles` says what each step is about. */
	constructor(progress: Progress, titles: Record<Step, string>) {
		this.#progress = progress;
		this.#titles = titles;
	}

	/** Shows how far a step is, and begins it if it is a new one. */
	show(step: Step, bytes: number, totalBytes: number): void {
		if (step !== this.#step) {
			this.stop();
			this.#step = step;
			this.#startedAt = performance.now();
			this.#progress.step(`${step}: ${this.#titles[step]}`);
		}
		this.#progress.bytes(bytes, totalBytes);
	}

	/** Ends the current step. */
	stop(): void {
		if (this.#step === null) return;
		this.times.push({ step: this.#step, milliseconds: performance.now() - this.#startedAt });
		this.#step = null;
		this.#progress.clear();
	}
}
