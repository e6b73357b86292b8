import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, killGroup } from '../src/cli/embedded/server.ts';

const START_TIMEOUT_MS = 60_000;

export interface Server extends AsyncDisposable {
	url: string;
	/** Where the inspector of its Worker listens. */
	inspectorPort: number;
	/** Its process group. */
	group: number;
}

/**
 * Starts a Pages app under `wrangler pages dev` in the project's folder, whose wrangler.toml and
 * embedded database it takes, and waits until it answers. Throws with what wrangler says otherwise.
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
		detached: true, // a process group of its own
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let output = '';
	for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
	const kill = () => killGroup(child);
	process.prependOnceListener('exit', kill); // before the folder is removed
	const closed = once(child, 'close');
	const deadline = Date.now() + START_TIMEOUT_MS;
	while (!(await answers(url))) {
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

async function answers(url: string): Promise<boolean> {
	try {
		await fetch(url, { redirect: 'manual' });
		return true;
	} catch {
		await sleep(100);
		return false;
	}
}
