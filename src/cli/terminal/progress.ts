import type { WriteStream } from 'node:tty';
import { harmless } from './print.ts';
import { megabytes } from './text.ts';

/** Characters of a bar. */
const BAR_WIDTH = 30;
/** Between two drawings of a bar. */
const REDRAW_MS = 100;
/** Back to the start of the line, and erase to its end (ECMA-48: CR, EL). */
const ERASE = '\r\u001b[K';

/** Shows the progress of a command on standard error: a line for each step, and on a terminal a bar. */
export class Progress {
	readonly #stream: WriteStream = process.stderr;
	#drawnAt = 0;

	/** Announces a step. */
	step(text: string): void {
		this.clear();
		this.#stream.write(`${harmless(text)} ...\n`);
	}

	/** Shows a message that is not a step. */
	note(text: string): void {
		this.clear();
		this.#stream.write(`${harmless(text)}\n`);
	}

	/** Draws how far the step is; `total` is 0 if it is unknown. */
	bytes(done: number, total: number): void {
		const now = performance.now();
		if (!this.#stream.isTTY || now - this.#drawnAt < REDRAW_MS) return;
		this.#drawnAt = now;
		this.#stream.write(ERASE + bar(done, total));
	}

	/** Removes the bar at the end of a step. */
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
