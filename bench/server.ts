import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, killGroup } from '../src/cli/embedded/server.ts';

const START_TIMEOUT_MS = 60_000;

export interface Server extends AsyncDisposable {
	url: string;
	/** The port on which its Worker's inspector listens. */
	inspectorPort: number;
	/** The process group of wrangler and workerd. */
	group: number;
}

/**
 * Starts a Pages app with `wrangler pages dev`, which uses the wrangler.toml and the embedded
 * database in the project's folder, and waits until it responds. Throws with wrangler's output if it
 * does not.
 */
export async function serve(
	project: string,
	app: string,
	vars: Record<string, string> = {},
): Promise<Server> {
	const url = `http://127.0.0.1:${await freePort()}`;
	const { hostname, port } = new URL(url);
	const inspectorPort = await freePort();
	const args = ['pages', 'dev', app, '--ip', hostname, '--port', port];
	args.push('--inspector-port', String(inspectorPort));
	for (const [name, value] of Object.entries(vars)) args.push('--binding', `${name}=${value}`);
	const child = spawn('wrangler', args, {
		cwd: project,
		detached: true, // gives it a process group of its own
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let output = '';
	for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
	const kill = () => killGroup(child);
	process.prependOnceListener('exit', kill); // runs before the folder is removed
	const closed = once(child, 'close');
	const deadline = Date.now() + START_TIMEOUT_MS;
	while (!(await responds(url))) {
		if (child.exitCode === null && Date.now() < deadline) continue;
		kill();
		throw new Error(`The server did not start.\n${output}`);
	}
	return {
		url,
		inspectorPort,
		group: child.pid ?? 0,
		async [Symbol.asyncDispose]() {
			process.off('exit', kill);
			if (kill()) await closed;
		},
	};
}

async function responds(url: string): Promise<boolean> {
	try {
		await fetch(url, { redirect: 'manual' });
		return true;
	} catch {
		await sleep(100);
		return false;
	}
}
