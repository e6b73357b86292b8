import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';
import { asLifeboatError, describe, EXIT, exitCode } from './errors.ts';
import { printAside, printed, printJson } from './print.ts';
import { Progress } from './progress.ts';

/** What every command receives. */
export interface Context {
	/** Aborted by Ctrl-C and the like, with the error to end with. */
	signal: AbortSignal;
	progress: Progress;
}

/** Nobody but the owner has access. */
const UMASK = 0o077;

/** From now on all that this process writes is private, also what SQLite, workerd and wrangler write for it. */
export function keepPrivate(): void {
	process.umask(UMASK);
}

/**
 * Runs a command and ends the process with the exit code that it returns, or with that of its error,
 * which is printed.
 */
export async function runCommand(work: (context: Context) => Promise<number>): Promise<void> {
	keepPrivate();
	const progress = new Progress();
	let code: number;
	try {
		code = await work({ signal: interruption(progress), progress });
	} catch (thrown) {
		progress.clear();
		code = exitCode(printError(thrown));
	}
	await printed();
	process.exit(code);
}

/** Prints an error and returns it. With --json it is the one object on standard output. */
export function printError(thrown: unknown): LifeboatError {
	const error = asLifeboatError(thrown);
	if (process.argv.includes('--json')) printJson(error);
	else printAside(describe(error).split('\n'));
	return error;
}

/**
 * A new folder that only this user can open, and that is removed when the process ends. Removes those of
 * processes that were killed.
 */
export function temporaryFolder(parent = tmpdir()): string {
	removeAbandoned(parent);
	const folder = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
	process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
	return folder;
}

const PREFIX = 'lifeboat-';
/** With the number of the process that made it. */
const ABANDONED = new RegExp(`^${PREFIX}(\\d+)-\\w{6}$`);

function removeAbandoned(parent: string): void {
	for (const name of readdirSync(parent)) {
		const [, pid] = ABANDONED.exec(name) ?? [];
		if (pid === undefined || isRunning(Number(pid))) continue;
		try {
			rmSync(join(parent, name), { recursive: true, force: true });
		} catch {
			// It belongs to another user.
		}
	}
}

/** Whether there is a process of this number, of any user. */
export function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		return error instanceof Error && 'code' in error && error.code === 'EPERM';
	}
}

/** The first signal asks the command to stop and clean up, the second one ends it. */
function interruption(progress: Progress): AbortSignal {
	const controller = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(name, () => {
			if (controller.signal.aborted) process.exit(EXIT.interrupted);
			progress.note('Stopping ...');
			controller.abort(interrupted());
		});
	}
	return controller.signal;
}

function interrupted(): LifeboatError {
	return new LifeboatError('Stopped.', {
		code: 'interrupted',
		status: 503,
		hint: 'Run the command again to start over.',
	});
}
