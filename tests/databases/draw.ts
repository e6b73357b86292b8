import fc from 'fast-check';

/** Draws values while a database is generated; they can be repeated and shrunk. */
export type Draw = fc.GeneratorValue;

// Drawn values shrink towards zero: the first choice, and no optional part.
const evenly = (greatest: number) => fc.noBias(fc.nat(greatest));

/** An integer from 0 to `greatest`. */
export function upTo(draw: Draw, greatest: number): number {
	return draw(evenly, greatest);
}

/** True in this percentage of cases. */
export function chance(draw: Draw, percent: number): boolean {
	return upTo(draw, 99) >= 100 - percent;
}

/** One of the choices, if there are any. */
export function pickAny<T>(draw: Draw, choices: readonly T[]): T | undefined {
	return choices[upTo(draw, Math.max(choices.length - 1, 0))];
}

/** One of the choices; the first is the simplest. */
export function pick<T>(draw: Draw, choices: readonly T[]): T {
	const choice = pickAny(draw, choices);
	if (choice === undefined) throw new Error('there is nothing to pick from');
	return choice;
}

/** Some of the choices, in their order. */
export function some<T>(draw: Draw, choices: readonly T[], percent = 50): T[] {
	return choices.filter(() => chance(draw, percent));
}

/** A list of `count` things. */
export function times<T>(count: number, make: (at: number) => T): T[] {
	return Array.from({ length: count }, (_, at) => make(at));
}
