import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';
import { asLifeboatError, describe, EXIT, exitCode } from './errors.ts';
import { Progress } from './progress.ts';

/** What every command receives. */
export interface Context {
	/** Aborted by Ctrl-C and the like, with the error to end with. */
	signal: AbortSignal;
	progress: Progress;
}

/**
 * Runs a command and ends the process with the exit code that it returns, or with that of its error.
 * With --json the error is the one object on standard output.
 */
export async function runCommand(work: (context: Context) => Promise<number>): Promise<void> {
	const progress = new Progress();
	let code: number;
	try {
		code = await work({ signal: interruption(progress), progress });
	} catch (thrown) {
		const error = asLifeboatError(thrown);
		progress.clear();
		if (process.argv.includes('--json')) console.log(JSON.stringify(error));
		else console.error(describe(error));
		code = exitCode(error);
	}
	process.exit(code);
}

/** A new folder that is removed when the process ends. */
export function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-'));
	process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
	return folder;
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
