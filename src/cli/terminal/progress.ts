import type { WriteStream } from 'node:tty';
import { megabytes } from './text.ts';

/** Characters of a bar. */
const BAR_WIDTH = 30;
/** Between two drawings of a bar, in milliseconds. */
const REDRAW_MS = 100;
/** Back to the start of the line, and erase to its end (ECMA-48: CR, EL). */
const ERASE = '\r\u001b[K';

/** Tells on standard error how far a command has come: a line for each step, and on a terminal a bar. */
export class Progress {
	readonly #stream: WriteStream = process.stderr;
	#drawnAt = 0;

	/** A step begins. */
	step(text: string): void {
		this.clear();
		this.#stream.write(`${text} ...\n`);
	}

	/** Something to know, beside the steps. */
	note(text: string): void {
		this.clear();
		this.#stream.write(`${text}\n`);
	}

	/** The step has come so far; `total` is 0 where nobody knows it. */
	bytes(done: number, total: number): void {
		const now = performance.now();
		if (!this.#stream.isTTY || now - this.#drawnAt < REDRAW_MS) return;
		this.#drawnAt = now;
		this.#stream.write(ERASE + bar(done, total));
	}

	/** Takes the bar away: the step is over. */
	clear(): void {
		if (this.#drawnAt > 0) this.#stream.write(ERASE);
		this.#drawnAt = 0;
	}
}

function bar(done: number, total: number): string {
	if (total === 0) return megabytes(done);
	const part = Math.min(1, done / total);
	const filled = '#'.repeat(Math.round(part * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
	const percent = String(Math.floor(part * 100)).padStart(3);
	return `[${filled}] ${percent} %  ${megabytes(done)} of ${megabytes(total)}`;
}
