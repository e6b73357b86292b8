/** A setting of wrangler's configuration that is to have a value. */
export interface Change {
	/** The keys that lead to it. */
	path: string[];
	value: unknown;
	/** Whether the value joins the list at `path`, which is made if it is missing. */
	isItem: boolean;
	/** The setting after which a new one stands best. */
	after: string;
}

/** The values of a table or object. */
export type Values = Record<string, unknown>;

export function isValues(value: unknown): value is Values {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is at the end of a path; undefined if there is nothing. */
export function valueAt(values: unknown, path: readonly string[]): unknown {
	return path.reduce<unknown>((at, key) => (isValues(at) ? at[key] : undefined), values);
}

/** A copy of the values with a change made. */
export function applyChange(values: Values, { path, value, isItem }: Change): Values {
	const [key = '', ...rest] = path;
	const now = values[key];
	if (rest.length > 0) {
		const inner = applyChange(isValues(now) ? now : {}, { path: rest, value, isItem, after: '' });
		return { ...values, [key]: inner };
	}
	return { ...values, [key]: isItem ? [...(Array.isArray(now) ? now : []), value] : value };
}
