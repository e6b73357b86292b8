import { rmSync } from 'node:fs';
import { type Product, type Server, startServer } from '../../src/cli/embedded/server.ts';
import { LONG } from '../counts.ts';
import { startInMiniflare } from './miniflare.ts';
import { migratedFolder, product } from './shared.ts';

type Running = Pick<Server, 'url' | 'output' | 'stop'>;

/** The built app, with a database and a bucket of its own. */
export class App {
	/** Folder of its embedded D1 and R2. */
	readonly folder = migratedFolder();
	readonly #as: Product | undefined;
	#server: Running | undefined;

	/** Started by wrangler as `as`; otherwise as {@link startApp} does. */
	constructor(as?: Product) {
		this.#as = as;
	}

	/** Starts it with these variables; restarts it if it is running. */
	async start(vars: Record<string, string>): Promise<void> {
		await this.#server?.stop();
		this.#server = this.#as
			? await startServer({ as: this.#as, persistTo: this.folder, vars })
			: await startApp(this.folder, vars);
	}

	/** Stops it and removes its folder. */
	async stop(): Promise<void> {
		await this.#server?.stop();
		rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
	}

	get isRunning(): boolean {
		return this.#server !== undefined;
	}

	/** Kills it and every process that it started, as a machine that fails does. */
	async kill(): Promise<void> {
		await this.#running.stop();
		this.#server = undefined;
	}

	/** Its origin. */
	get url(): string {
		return this.#running.url;
	}

	/** What it has printed since it started. */
	output(): string {
		return this.#running.output();
	}

	get #running(): Running {
		if (!this.#server) throw new Error('The app was not started.');
		return this.#server;
	}
}

/**
 * Starts the built app with its state in a folder, on a free port if none is given: as Pages by Miniflare
 * alone. In the long tests, and as a Worker with LIFEBOAT_APP=worker, wrangler starts it.
 */
export function startApp(
	folder: string,
	vars: Record<string, string>,
	port?: number,
): Promise<Running> {
	const as = product();
	if (LONG || as === 'worker') {
		return startServer({ as, persistTo: folder, vars, ...(port && { port }) });
	}
	return startInMiniflare(folder, vars, port);
}
