/** What a person has on Cloudflare and GitHub. */
export interface Accounts {
	signedIn: string[];
	/** Ids, by name. */
	databases: Record<string, string>;
	migrated: string[];
	buckets: Record<string, { locks: string[] }>;
	projects: string[];
	/** The secrets of the project, and those with which it was deployed last. */
	secrets: Record<string, string>;
	deployed: Record<string, string> | null;
	repository: {
		name: string;
		secrets: Record<string, string>;
		vars: Record<string, string>;
	} | null;
	environments: Record<string, Environment>;
	/** Workflows that were started. */
	started: string[];
}

interface Environment {
	/** Whether a rule names the branches, and which. */
	isRestricted: boolean;
	branches: string[];
	secrets: Record<string, string>;
}

/** Nothing yet. */
export const NOTHING: Accounts = {
	...{ signedIn: [], databases: {}, migrated: [], buckets: {}, projects: [] },
	...{ secrets: {}, deployed: null, repository: null, environments: {}, started: [] },
};

/** A command line that the help of its program allows. */
export interface Given {
	words: string[];
	options: Record<string, unknown>;
	/** What it reads from standard input. */
	input: () => string;
}

/** Does what a command does, and returns what it prints. Throws what it prints when it fails. */
export type Command = (accounts: Accounts, given: Given) => string | undefined;

/** Throws unless there is such a thing. */
export function expect<T>(found: T | null | undefined | false | '', what: string): T {
	if (found) return found;
	throw new Error(`Expected ${what}.`);
}
