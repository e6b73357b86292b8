/** Anything that JSON can say. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** Variants of the JSON: each value in turn replaced or removed, and each object with one more member. */
export function* alterations(value: Json): Generator<Json> {
	if (typeof value !== 'object' || value === null) {
		yield typeof value === 'number' ? value + 1 : `${value}0`;
		yield null;
		return;
	}
	if (Array.isArray(value)) {
		yield [...value, ...value.slice(0, 1), 'x'];
		yield value.slice(1);
		for (const [at, entry] of value.entries()) {
			for (const altered of alterations(entry)) yield value.with(at, altered);
		}
		return;
	}
	yield { ...value, more: 1 };
	for (const [name, member] of Object.entries(value)) {
		yield Object.fromEntries(Object.entries(value).filter(([kept]) => kept !== name));
		for (const altered of alterations(member)) yield { ...value, [name]: altered };
	}
}
