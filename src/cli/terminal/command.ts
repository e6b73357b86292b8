import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { isDamage } from '../../lib/server/backup/prove/files.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { TotpError } from '../../lib/totp.js';
import { Progress } from './progress.ts';

/** How a command ends: for scripts. A shell adds 128 to the number of a signal, which is 2. */
export const EXIT = { good: 0, differs: 1, notTried: 2, interrupted: 130 };

/** What every command gets. */
export interface Context {
	/** Aborted by Ctrl-C and its like, with the error to end with. */
	signal: AbortSignal;
	progress: Progress;
}

/** An error with more to say: what differs, or how things are now, in sentences. */
export class DetailedError extends LifeboatError {
	readonly details: string[];

	constructor({ message, code, status, hint, cause }: LifeboatError, details: string[]) {
		super(message, { code, status, hint, cause });
		this.details = details;
	}

	override toJSON() {
		return { ...super.toJSON(), details: this.details };
	}
}

/**
 * Runs a command to its end and ends the process with the exit code that it returns, or with that
 * of its error. With --json the error is the one object on standard output.
 */
export async function runCommand(work: (context: Context) => Promise<number>): Promise<void> {
	const progress = new Progress();
	let code: number;
	try {
		code = await work({ signal: interruption(progress), progress });
	} catch (error) {
		const told = asLifeboatError(error);
		progress.clear();
		if (process.argv.includes('--json')) console.log(JSON.stringify(told));
		else console.error(describe(told));
		code = exitCode(told);
	}
	process.exit(code);
}

/** A new folder for a while: it goes when the process ends. */
export function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-'));
	process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
	return folder;
}

/** `usage` (400): what was typed makes no command. */
export function usageError(command: string, message: string): LifeboatError {
	return new LifeboatError(message, {
		code: 'usage',
		status: 400,
		hint: `\`npm run ${command} -- --help\` explains; options stand behind the \`--\`.`,
	});
}

/** The words of a command line, by its options. Throws `usage` (400). */
export function parseWords<T extends ParseArgsOptionsConfig>(command: string, options: T) {
	try {
		return parseArgs({ options, allowPositionals: true });
	} catch (error) {
		throw usageError(command, error instanceof Error ? error.message : String(error));
	}
}

/** The sentences of an error, for people. */
export function describe(error: unknown): string {
	if (!(error instanceof LifeboatError))
		return error instanceof Error ? error.message : String(error);
	const details = error instanceof DetailedError ? error.details : [];
	return [`${error.message} ${error.hint}`.trim(), ...details].join('\n');
}

/** The first signal asks the command to stop in good order, the second ends it. */
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

function exitCode(error: LifeboatError): number {
	if (error.code === 'interrupted') return EXIT.interrupted;
	const differs = ['backup_differs', 'restore_refused', 'restore_differs'].includes(error.code);
	return differs || isDamage(error) ? EXIT.differs : EXIT.notTried;
}

/** Any error as one that can be shown. */
export function asLifeboatError(error: unknown): LifeboatError {
	if (error instanceof LifeboatError) return error;
	const message = error instanceof Error ? error.message : String(error);
	const code = error instanceof TotpError ? error.code : 'internal_error';
	return new LifeboatError(message, { code, status: 500, hint: '', cause: error });
}
