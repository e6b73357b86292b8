import { rmSync } from 'node:fs';
import { type Product, type Server, startServer } from '../../src/cli/embedded/server.ts';
import { migratedFolder, product } from './shared.ts';

/** The built app, with a database and a bucket of its own, as what LIFEBOAT_APP says if nothing else does. */
export class App {
	/** Folder of its embedded D1 and R2. */
	readonly folder = migratedFolder();
	readonly #as: Product;
	#server: Server | undefined;

	constructor(as = product()) {
		this.#as = as;
	}

	/** Starts it with these variables; restarts it if it is running. */
	async start(vars: Record<string, string>): Promise<void> {
		await this.#server?.stop();
		this.#server = await startServer({ as: this.#as, persistTo: this.folder, vars });
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

	get #running(): Server {
		if (!this.#server) throw new Error('The app was not started.');
		return this.#server;
	}
}
