import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// Programs are started by a small process of their own (./programs-host.ts): Linux copies the page tables
// of a process that forks, which for vitest's takes ten times as long as `sqlite3` itself.

const HOST = fileURLToPath(new URL('programs-host.ts', import.meta.url));

/** A program to run, with its input. */
export interface Run {
	id: number;
	program: string;
	args: string[];
	input: Uint8Array;
}

/** What became of it; `error` is null if it ended with 0. */
export interface Ran {
	id: number;
	stdout: Uint8Array;
	stderr: string;
	error: string | null;
}

let host: ChildProcess | undefined;
let runs = 0;
const waiting = new Map<number, (ran: Ran) => void>();

/**
 * Runs a program, and returns what it printed. Throws an error with what it printed to stderr, or why it
 * did not run, if it did not end with 0.
 */
export async function runProgram(
	program: string,
	args: string[],
	input: string | Uint8Array = '',
): Promise<{ stdout: Buffer; stderr: string }> {
	const { promise, resolve } = Promise.withResolvers<Ran>();
	const run: Run = { id: ++runs, program, args, input: Buffer.from(input) };
	waiting.set(run.id, resolve);
	(host ??= start()).send(run);
	const { stdout, stderr, error } = await promise;
	if (error !== null) throw new Error(stderr || error);
	return { stdout: Buffer.from(stdout), stderr };
}

function start(): ChildProcess {
	const child = fork(HOST, { serialization: 'advanced' }); // so that bytes stay bytes
	child.on('message', (ran: Ran) => {
		waiting.get(ran.id)?.(ran);
		waiting.delete(ran.id);
	});
	child.once('exit', () => {
		for (const [id, resolve] of waiting) {
			resolve({ id, stdout: Buffer.alloc(0), stderr: '', error: 'The host has ended.' });
		}
	});
	child.unref();
	child.channel?.unref();
	return child;
}
