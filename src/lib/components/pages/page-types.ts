import type { Action } from 'svelte/action';
import type { Failure } from '../types.ts';

/** What came of the form that was sent last: `at` is its name. */
export interface Answer {
	at: string;
	message?: string;
	failure?: Failure;
}

/** What a page of the dashboard needs of the app that mounts it. */
export interface Mounted {
	/** Where the dashboard is mounted, such as `/backups`. */
	base?: string;
	/** What came of the last form; null before any. */
	answer?: Answer | null | undefined;
	/** SvelteKit's `enhance`, or nothing. */
	enhance?: Action<HTMLFormElement>;
}

/** Where the dashboard is mounted unless the app says so. */
export const BASE = '/backups';

/** The failure of one of a page's forms; null if that was not sent, or worked. */
export function failureAt(answer: Answer | null | undefined, at: string): Failure | null {
	return answer?.at === at ? (answer.failure ?? null) : null;
}

/** Addresses within the dashboard, each with the database in the query if the app has several. */
export function addressesOf(base: string, database: string | null) {
	const of = (path: string, query: Record<string, string> = {}) => {
		const all = { ...(database !== null && { database }), ...query };
		const search = new URLSearchParams(all).toString();
		return `${base}${path}${search && `?${search}`}`;
	};
	return {
		of,
		backup: (name: string) => of(`/${encodeURIComponent(name)}`),
		/** Of a form of the page at a path, or of the page that it is on. */
		form: (action: string, path?: string) => {
			const search = database === null ? '' : `&${new URLSearchParams({ database })}`;
			return `${path === undefined ? '' : base + path}?/${action}${search}`;
		},
	};
}
