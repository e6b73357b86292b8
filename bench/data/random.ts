/** Size of the vocabulary. */
const WORDS = 5_000;
const SYLLABLES =
	'an ba cor de el fi gro hum in jo ka lo mer na or pla qui ras sté tu ul ver wo yü zen'.split(' ');
const HEX = '0123456789abcdef';
const UUID = [8, 4, 4, 4, 12];

/** Pseudorandom values like those that apps store. Every instance returns the same sequence. */
export class Random {
	#state = 1;
	readonly #words = Array.from({ length: WORDS }, () => this.#word());

	/** A number from 0 up to, but not including, 1. The algorithm is mulberry32. */
	number(): number {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	/** An integer from 0 up to, but not including, the limit. */
	below(limit: number): number {
		return Math.floor(this.number() * limit);
	}

	pick<T>(values: readonly [T, ...T[]]): T {
		return values[this.below(values.length)] ?? values[0];
	}

	/** The value with this probability in percent, otherwise NULL. */
	maybe<T>(percent: number, value: T): T | null {
		return this.below(100) < percent ? value : null;
	}

	/** Words from the vocabulary: a few are frequent and most are rare, as in any language. */
	words(count: number): string {
		let text = '';
		for (let left = count; left > 0; left--) {
			text += this.#words[Math.floor(WORDS * this.number() ** 3)];
			if (left > 1) text += ' ';
		}
		return text;
	}

	sentences(count: number): string {
		let text = '';
		for (let left = count; left > 0; left--) {
			const words = this.words(5 + this.below(16));
			text += `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
			if (left > 1) text += this.below(4) === 0 ? '\n' : ' ';
		}
		return text;
	}

	hex(length: number): string {
		let text = '';
		for (let left = length; left > 0; left--) text += HEX[this.below(16)];
		return text;
	}

	uuid(): string {
		return UUID.map((length) => this.hex(length)).join('-');
	}

	bytes(length: number): Uint8Array {
		return Uint8Array.from({ length }, () => this.below(256));
	}

	#word(): string {
		const syllables = Array.from({ length: 1 + this.below(3) }, () => this.#syllable());
		return syllables.join('') + (this.below(50) === 0 ? "'s" : '');
	}

	#syllable(): string {
		return SYLLABLES[this.below(SYLLABLES.length)] ?? '';
	}
}
