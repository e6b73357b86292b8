import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Agent } from 'node:http';
import { text } from 'node:stream/consumers';
import type { BatchResult, SqlDatabase } from '../../lib/server/backup/database.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { accountEnvironment, childEnvironment } from '../terminal/environment.ts';
import { programBeside } from '../terminal/run.ts';
import { killGroup } from './server.ts';
import { printStatements } from './body.ts';

const HOST = programBeside(import.meta.url, 'host');

/** Makes wrangler quiet and fast. */
const SETTINGS = {
	WRANGLER_LOG: 'none',
	CLOUDFLARE_CF_FETCH_ENABLED: 'false', // a request to Cloudflare, and a warning when offline
	X_LOCAL_OBSERVABILITY: 'false', // it would log every query
};

/** Which database to open. `persistTo` is a folder as `wrangler --persist-to` takes it. */
export type DatabaseChoice =
	/** The database of wrangler's configuration, or the one with this binding. */
	| { kind: 'configured'; persistTo: string; binding?: string | undefined }
	/** One that is not the app's. */
	| { kind: 'new'; persistTo: string }
	/** One on Cloudflare, by its id. Needs wrangler to be signed in. */
	| { kind: 'remote'; id: string };

/** A message of the host: the database's file, its own address, or why it failed. */
export type HostMessage =
	| { file: string }
	| { url: string }
	| { refused: { error: string; code: string; hint: string } }
	| { failed: string };

/** A D1 database in workerd, in a process of its own that ends with this one. */
export class EmbeddedDatabase implements SqlDatabase, AsyncDisposable {
	readonly #host: ChildProcess;
	readonly #token = randomUUID();
	readonly #url: Promise<string>;
	/** The path of the database's SQLite file, which may not exist yet. Never resolves on Cloudflare. */
	readonly file: Promise<string>;
	/** Not Node's own, which may send what the database holds through a proxy (NODE_USE_ENV_PROXY). */
	#agent: Agent | undefined;
	readonly #kill = () => killGroup(this.#host);

	/** Starts the process without waiting for it; the first batch throws if that fails. */
	constructor(choice: DatabaseChoice) {
		this.#host = spawn(process.execPath, [HOST, JSON.stringify(choice)], {
			detached: true, // a process group of its own
			stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
			env: { ...environmentFor(choice), ...SETTINGS, LIFEBOAT_TOKEN: this.#token }, // arguments are visible to every user
		});
		process.prependOnceListener('exit', this.#kill);
		this.#url = messageOf(this.#host, 'url', hintFor(choice));
		this.file = messageOf(this.#host, 'file', hintFor(choice));
		for (const promise of [this.#url, this.file]) promise.catch(() => {});
	}

	/**
	 * Runs the statements as one transaction. Throws `database_not_opened` (500) and other LifeboatErrors
	 * if the database could not be started, and D1's own errors.
	 */
	async batch(statements: Parameters<SqlDatabase['batch']>[0]): Promise<BatchResult> {
		const { status, body } = await this.#post(await this.#url, printStatements(statements));
		if (status !== 200) throw new Error(body);
		return JSON.parse(body) as BatchResult;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		process.off('exit', this.#kill);
		this.#agent?.destroy();
		const ended = once(this.#host, 'exit');
		if (this.#kill()) await ended;
	}

	/** Not with `fetch`, which takes twice as long for megabytes. */
	async #post(url: string, body: string): Promise<{ status: number; body: string }> {
		const http = await import('node:http'); // takes a third of the start of a restore into a file
		const agent = (this.#agent ??= new http.Agent({ keepAlive: true }));
		const headers = { Authorization: `Bearer ${this.#token}` };
		const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
		http
			.request(url, { method: 'POST', agent, headers })
			.on('error', reject)
			.on('response', (response) => {
				const status = response.statusCode ?? 0;
				text(response).then((answer) => resolve({ status, body: answer }), reject);
			})
			.end(body);
		// D1's own words, which the engine retries: workerd restarts.
		return promise.catch((cause: unknown) => {
			throw new Error('Network connection lost.', { cause });
		});
	}
}

/** Waits for the host's file or URL. Throws why it did not start. */
function messageOf(host: ChildProcess, what: 'file' | 'url', hint: string): Promise<string> {
	const { promise, resolve, reject } = Promise.withResolvers<string>();
	host.once('exit', () => reject(notStarted('its process ended at once', hint)));
	host.on('message', (message: HostMessage) => {
		if (what === 'file' && 'file' in message) resolve(message.file);
		if (what === 'url' && 'url' in message) resolve(message.url);
		if ('failed' in message) reject(notStarted(message.failed, hint));
		if ('refused' in message) {
			const { error, ...details } = message.refused;
			reject(new LifeboatError(error, { ...details, status: 500 }));
		}
	});
	return promise;
}

function environmentFor({ kind }: DatabaseChoice): NodeJS.ProcessEnv {
	return kind === 'remote' ? accountEnvironment() : childEnvironment();
}

function hintFor({ kind }: DatabaseChoice): string {
	if (kind === 'remote') return 'Sign in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.';
	return 'Run `npm ci` and try again.';
}

function notStarted(reason: string, hint: string): LifeboatError {
	const message = `The database could not be opened: ${reason.replace(/\.?$/, '.')}`;
	return new LifeboatError(message, { code: 'database_not_opened', status: 500, hint });
}
