import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Product, type Server, startServer } from '../embedded/server.ts';
import { STATE } from '../embedded/state.ts';
import { readEnvFile } from '../secrets/dotenv.ts';
import type { Steps } from './steps.ts';

const USUAL_PORT = 5173;

/** Without these the app's pages only say that they are missing. */
const SIGN_IN_SETTINGS = ['GITHUB_ID', 'GITHUB_SECRET'];

/** Starts the built app, at its usual port if that is free. */
export async function start(steps: Steps, as: Product): Promise<Server> {
	// The free plan's pauses are for Cloudflare's limits, which this machine does not have.
	const overrides = { ...signInStandIns(), BACKUP_PLAN: 'paid' };
	const port = (await isFree(USUAL_PORT)) ? { port: USUAL_PORT } : {};
	return steps.take(
		'start',
		as === 'worker' ? 'wrangler dev' : 'wrangler pages dev',
		() => startServer({ as, persistTo: STATE, overrides, ...port }),
		({ url }) => url,
	);
}

/** Returns when the signal is aborted. Throws when the app ends before. */
export async function keepRunning({ pid }: Server, signal: AbortSignal): Promise<void> {
	while (!signal.aborted) {
		if (!isRunning(pid)) throw new Error('The app has stopped by itself.');
		await sleep(500);
	}
}

/** A value for each setting that `.env` lacks: GitHub refuses it, but the home page loads. */
function signInStandIns(): Record<string, string> {
	const values = readEnvFile();
	const missing = SIGN_IN_SETTINGS.filter((name) => !values[name]?.trim());
	return Object.fromEntries(missing.map((name) => [name, 'missing']));
}

async function isFree(port: number): Promise<boolean> {
	const server = createServer().listen(port, '127.0.0.1');
	const free = await once(server, 'listening').then(
		() => true,
		() => false,
	);
	server.close();
	return free;
}

function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}
