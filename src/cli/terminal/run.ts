import { execFile, type ExecFileException } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { accountEnvironment, childEnvironment, githubEnvironment } from './environment.ts';

const execute = promisify(execFile);

interface RunOptions {
	signal: AbortSignal;
	env?: NodeJS.ProcessEnv;
	cwd?: string;
	/** For its standard input. */
	input?: string;
}

/**
 * The path of a module next to the one with this URL, without its ending: it is TypeScript in the
 * repository, and JavaScript in the package.
 */
export function programBeside(url: string, name: string): string {
	return fileURLToPath(new URL(`${name}${extname(url)}`, url));
}

/**
 * Runs a program and returns its standard output. Of our environment it gets what
 * {@link childEnvironment} passes; wrangler may act on Cloudflare too, and gh on GitHub. It reads `input`,
 * or nothing. Throws an Error with its output when it fails.
 */
export async function run(
	command: string,
	args: string[],
	{ input = '', ...options }: RunOptions,
): Promise<string> {
	try {
		const env = environmentOf(command);
		const running = execute(command, args, { env, ...options, maxBuffer: Infinity });
		running.child.stdin?.on('error', () => {}); // it may end without reading
		running.child.stdin?.end(input);
		return (await running).stdout;
	} catch (error) {
		options.signal.throwIfAborted();
		const { code, stdout = '', stderr = '', message } = error as ExecFileException;
		if (code === 'ENOENT') {
			throw new Error(`${command} was not found: start this with \`npm run\` or \`npx\`.`, {
				cause: error,
			});
		}
		throw new Error(`${stdout}\n${stderr}`.trim() || message, { cause: error });
	}
}

function environmentOf(command: string): NodeJS.ProcessEnv {
	if (command === 'wrangler') return accountEnvironment();
	return command === 'gh' ? githubEnvironment() : childEnvironment();
}
