import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { R2Bucket } from '@cloudflare/workers-types';
import { type Server, startServer } from '../../src/cli/embedded/server.ts';
import { migratedFolder } from './migrated.ts';

/** The built app under `wrangler pages dev`, with a database and a bucket of its own. */
export class App implements AsyncDisposable {
	/** Folder of its embedded D1 and R2. */
	readonly folder = migratedFolder();
	#server: Server | undefined;

	/** Starts it with these variables, and anew where it runs. */
	async start(vars: Record<string, string>): Promise<void> {
		await this.#server?.stop();
		this.#server = await startServer({ persistTo: this.folder, vars });
	}

	/** Its origin. */
	get url(): string {
		return this.#running.url;
	}

	/** What it has printed since it was started. */
	output(): string {
		return this.#running.output();
	}

	/** Opens its bucket, also while it runs. */
	async openBucket(): Promise<{ bucket: R2Bucket } & AsyncDisposable> {
		const { getPlatformProxy } = await import('wrangler'); // takes a second
		const { env, dispose } = await getPlatformProxy<{ MY_BUCKET: R2Bucket }>({
			persist: { path: join(this.folder, 'v3') }, // where the server keeps it in that folder
			envFiles: [],
			remoteBindings: false,
		});
		return { bucket: env.MY_BUCKET, [Symbol.asyncDispose]: dispose };
	}

	/** Lets it forget which codes were used, as time does: no test waits for the next code. */
	async forgetCodes(): Promise<void> {
		await using opened = await this.openBucket();
		const { objects } = await opened.bucket.list({ prefix: 'access/spent/' });
		await opened.bucket.delete(objects.map(({ key }) => key));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.stop();
		rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
	}

	get #running(): Server {
		if (!this.#server) throw new Error('The app was not started.');
		return this.#server;
	}
}
