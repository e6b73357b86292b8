/**
 * What an object of the bucket is:
 *
 * - `valid`: a file of a complete backup that the app itself has made, or what Lifeboat remembers
 * - `in_progress`: of a backup that is being made
 * - `leftover`: of a backup that does not exist; prune removes it once it is a day old
 * - `locked`: it would be removed, but a lock rule of the bucket keeps it
 * - `missing`: a manifest names it, and it does not exist or has another size
 * - `foreign`: nothing shows that it is the app's own; it is never removed
 */
export const STATES = ['valid', 'in_progress', 'leftover', 'locked', 'missing', 'foreign'] as const;
export type State = (typeof STATES)[number];

/** An object, or a part that is missing, and what it is. */
export interface Finding {
	/** Ends with a slash if it is a folder. */
	key: string;
	state: State;
	/** The backup that it belongs to, by its name. */
	backup: string | null;
	/** In bytes; null for a folder, and for what does not exist. */
	size: number | null;
	/** When it was written, in UTC; null for the same. */
	uploaded: string | null;
	/** Why, as a phrase; empty for what is valid. */
	text: string;
}

/** How many objects there are in each state, and their bytes. */
export type Totals = Record<State, { objects: number; bytes: number }>;

/** One page of a check. */
export interface CheckedPage {
	totals: Totals;
	/** All that is not valid, in the order of keys. */
	objects: Finding[];
	/** Where the next page starts; null on the last one. */
	cursor: string | null;
}

/** An empty page. */
export function noFindings(): { totals: Totals; objects: Finding[] } {
	const nothing = () => ({ objects: 0, bytes: 0 });
	const totals = {
		...{ valid: nothing(), in_progress: nothing(), leftover: nothing() },
		...{ locked: nothing(), missing: nothing(), foreign: nothing() },
	};
	return { totals, objects: [] };
}

/** Adds findings to a page. */
export function addFindings(
	page: { totals: Totals; objects: Finding[] },
	findings: readonly Finding[],
): void {
	for (const finding of findings) {
		const total = page.totals[finding.state];
		total.objects++;
		total.bytes += finding.size ?? 0;
		if (finding.state !== 'valid') page.objects.push(finding);
	}
}
