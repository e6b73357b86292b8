import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from '../terminal/environment.ts';

/** How long the built app may take to answer its first request. */
const START_TIMEOUT_MS = 60_000;

/** What the app runs as: the configuration is `wrangler.toml` or `wrangler.worker.toml`. */
export type Product = 'pages' | 'worker';

/** How the app is started. */
export interface ServerOptions {
	/** Pages if left out. */
	as?: Product | undefined;
	/** Folder with the built app and its configuration; the working directory if left out. */
	folder?: string | undefined;
	/** Folder of the embedded D1 and R2; wrangler's default if left out. */
	persistTo?: string;
	/** A free port if left out. */
	port?: number;
	/** Variables and secrets of the Worker, instead of those in `.env`. */
	vars?: Record<string, string>;
	/** Variables that take precedence over those in `.env`. */
	overrides?: Record<string, string>;
}

/** A running app. */
export interface Server {
	/** Origin without a trailing slash: `http://127.0.0.1:<port>`. */
	url: string;
	/** Process id of the server's process group. */
	pid: number;
	/** The server's output so far. */
	output(): string;
	/** Stops the server and every process that it started. */
	stop(): Promise<void>;
}

/** How wrangler runs each, and passes a variable to it. */
const COMMANDS = {
	pages: {
		args: ['pages', 'dev', '.svelte-kit/cloudflare'],
		variable: (name: string, value: string) => ['--binding', `${name}=${value}`],
	},
	worker: {
		args: ['dev', '--config', 'wrangler.worker.toml'],
		variable: (name: string, value: string) => ['--var', `${name}:${value}`],
	},
};

/**
 * Starts the built app (`npm run build` first) under `wrangler pages dev` or `wrangler dev`, and waits
 * until it answers. Throws an Error with the server's output if it does not.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
	try {
		return await launch(options);
	} catch (error) {
		// Wrangler chooses some ports itself, and two servers that start together may get the same.
		if (!String(error).includes('Address already in use')) throw error;
		return launch(options);
	}
}

async function launch(options: ServerOptions): Promise<Server> {
	const port = options.port ?? (await freePort());
	const command = COMMANDS[options.as ?? 'pages'];
	const args = [...command.args, '--ip', '127.0.0.1'];
	args.push('--port', String(port), '--inspector-port', String(await freePort()));
	if (options.persistTo) args.push('--persist-to', options.persistTo);
	for (const [name, value] of Object.entries({ ...options.vars, ...options.overrides })) {
		args.push(...command.variable(name, value));
	}
	// Without a request to Cloudflare, nor a warning when offline.
	const env: NodeJS.ProcessEnv = { ...childEnvironment(), CLOUDFLARE_CF_FETCH_ENABLED: 'false' };
	if (options.vars) env['CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV'] = 'false';

	// A process group of its own: workerd would survive if only wrangler were killed.
	const child = spawn('wrangler', args, {
		...{ cwd: options.folder, env, detached: true },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let output = '';
	child.stdout.on('data', (data) => (output += data));
	child.stderr.on('data', (data) => (output += data));
	child.on('error', (error) => (output += String(error)));

	const killAtExit = () => killGroup(child);
	process.once('exit', killAtExit);
	child.once('close', () => process.off('exit', killAtExit));

	const url = `http://127.0.0.1:${port}`;
	const stop = () => stopGroup(child);
	if (!(await answers(url, child))) {
		await stop();
		throw new Error(`The server did not start.\n${output}`);
	}
	return { url, pid: child.pid as number, output: () => output, stop };
}

/** Applies the migrations in `migrations/` to the embedded D1. Throws an Error with wrangler's output. */
export async function migrate(persistTo?: string): Promise<void> {
	const args = ['d1', 'migrations', 'apply', 'DB', '--local'];
	if (persistTo) args.push('--persist-to', persistTo);
	const child = spawn('wrangler', args, {
		env: { ...childEnvironment(), CI: '1' }, // so that wrangler asks for no confirmation
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let output = '';
	child.stdout.on('data', (data) => (output += data));
	child.stderr.on('data', (data) => (output += data));
	const [code] = await once(child, 'close');
	if (code !== 0) throw new Error(`The migrations could not be applied.\n${output}`);
}

/** A TCP port of 127.0.0.1 that is free. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	server.close();
	await once(server, 'close');
	if (address === null || typeof address === 'string') throw new Error('No free port.');
	return address.port;
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
	const deadline = Date.now() + START_TIMEOUT_MS;
	while (Date.now() < deadline && child.exitCode === null) {
		try {
			await fetch(url, { redirect: 'manual' });
			return true;
		} catch {
			await sleep(100);
		}
	}
	return false;
}

async function stopGroup(child: ChildProcess): Promise<void> {
	const closed = once(child, 'close');
	if (killGroup(child)) await closed;
}

/** Kills a process and its group. False if the group has ended before. */
export function killGroup({ pid }: ChildProcess): boolean {
	try {
		return pid !== undefined && process.kill(-pid, 'SIGKILL');
	} catch {
		return false;
	}
}
