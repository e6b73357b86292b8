import { execFile, type ExecFileException } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a program and returns its standard output. Throws an Error with its output when it fails. */
export async function run(
	command: string,
	args: string[],
	options: { signal: AbortSignal; env?: NodeJS.ProcessEnv },
): Promise<string> {
	try {
		const { stdout } = await execute(command, args, { ...options, maxBuffer: Infinity });
		return stdout;
	} catch (error) {
		options.signal.throwIfAborted();
		const { code, stdout = '', stderr = '', message } = error as ExecFileException;
		if (code === 'ENOENT') {
			throw new Error(`${command} was not found: start this with \`npm run\`.`, { cause: error });
		}
		throw new Error(`${stdout}\n${stderr}`.trim() || message, { cause: error });
	}
}
