import type { Progress } from '../terminal/progress.ts';
import { shellWord } from '../terminal/text.ts';

/** One of the things that a deployment does. */
export interface Step {
	name: string;
	/** Why there is nothing to do, in a few words; null if the step has to be taken. Changes nothing. */
	isDone(): Promise<string | null>;
	/** What it does, as a person would type it. */
	commands(): Promise<string[]> | string[];
	/** Takes the step, and returns what came of it in a few words. */
	run(): Promise<string>;
	/** What to do when it fails. */
	hint: string;
	/** Whether the rest makes sense without it. */
	optional?: boolean;
	/** Whether {@link isDone} may write a table of wrangler's own, which a dry run must not. */
	checkWrites?: boolean;
}

/** Runs a program, of which `words` are the name and the arguments; returns what it prints. */
export type Run = (words: readonly string[], input?: string) => Promise<string>;

/** What the steps work with. */
export interface Deployment {
	run: Run;
	signal: AbortSignal;
	progress: Progress;
	/** The path of the command that drills a backup. */
	drill: string;
	/** Whether the app is on Pages; otherwise it is a Worker. */
	isPages: boolean;
	/** Pages: the branch whose deployments are production. */
	branch: string;
	/** The databases to back up, by name: their bindings, the first one's first. */
	databases: Record<string, string>;
	/** The binding of the bucket. */
	bucket: string;
	/** Whether GitHub gets a share. */
	github: boolean;
	/** How long a new deployment may take to answer, in milliseconds. */
	patience: number;
	/** What the last `wrangler deploy` said of the Worker's address. */
	deployedAt: string | null;
}

/** A command line as a person would type it. */
export function shown(words: readonly string[]): string {
	const [program = '', ...args] = words;
	const start = program === 'wrangler' ? ['npx', program] : [program];
	return [...start, ...args.map(shellWord)].join(' ');
}
