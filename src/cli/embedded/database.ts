import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { BatchResult, SqlDatabase } from '../../lib/server/backup/database.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { killGroup } from './server.ts';
import { printStatements } from './body.ts';

const HOST = fileURLToPath(new URL('host.ts', import.meta.url));

/** Keeps wrangler quiet and quick, and the app's secret out of it. */
const SETTINGS = {
	WRANGLER_LOG: 'none',
	CLOUDFLARE_CF_FETCH_ENABLED: 'false', // it asks Cloudflare where this machine is, and warns offline
	X_LOCAL_OBSERVABILITY: 'false', // it would write down each query
	TOTP_SECRET: '',
};

/** Which database, and in which folder of the form that `wrangler --persist-to` takes. */
export type DatabaseChoice =
	/** The database `DB` of wrangler.toml. */
	| { kind: 'configured'; persistTo: string }
	/** One that has nothing to do with the app. */
	| { kind: 'new'; persistTo: string }
	/** One on Cloudflare, by its id; wrangler has to be signed in. */
	| { kind: 'remote'; id: string };

/** What the host says: which file the database is, where it listens, or why it does not. */
export type HostMessage =
	| { file: string }
	| { url: string }
	| { refused: { error: string; code: string; hint: string } }
	| { failed: string };

/** A D1 database that workerd runs in a process of its own, which ends with this one. */
export class EmbeddedDatabase implements SqlDatabase, AsyncDisposable {
	readonly #host: ChildProcess;
	readonly #token = randomUUID();
	readonly #url: Promise<string>;
	/** The SQLite file of the database, which may not be there yet. Nothing of one on Cloudflare. */
	readonly file: Promise<string>;
	readonly #agent = new Agent({ keepAlive: true });
	readonly #kill = () => killGroup(this.#host);

	/** Starts at once and does not wait; a start that fails is told by the first batch. */
	constructor(choice: DatabaseChoice) {
		this.#host = spawn(process.execPath, [HOST, JSON.stringify(choice)], {
			detached: true, // a process group of its own
			stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
			env: { ...process.env, ...SETTINGS, LIFEBOAT_TOKEN: this.#token }, // arguments are for all to see
		});
		process.prependOnceListener('exit', this.#kill);
		this.#url = told(this.#host, 'url', hintFor(choice));
		this.file = told(this.#host, 'file', hintFor(choice));
		for (const promise of [this.#url, this.file]) promise.catch(() => {});
	}

	/**
	 * Runs the statements as one transaction. Throws LifeboatError when the database could not be
	 * started, and otherwise D1's own errors.
	 */
	async batch(statements: Parameters<SqlDatabase['batch']>[0]): Promise<BatchResult> {
		const { status, body } = await this.#post(await this.#url, printStatements(statements));
		if (status !== 200) throw new Error(body);
		return JSON.parse(body) as BatchResult;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		process.off('exit', this.#kill);
		this.#agent.destroy();
		const ended = once(this.#host, 'exit');
		if (this.#kill()) await ended;
	}

	/** `fetch` takes twice as long for megabytes. */
	#post(url: string, body: string): Promise<{ status: number; body: string }> {
		const headers = { Authorization: `Bearer ${this.#token}` };
		const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
		request(url, { method: 'POST', agent: this.#agent, headers })
			.on('error', reject)
			.on('response', (response) => {
				const status = response.statusCode ?? 0;
				text(response).then((answer) => resolve({ status, body: answer }), reject);
			})
			.end(body);
		// In D1's words, by which the engine knows that it may try again: workerd comes back.
		return promise.catch((cause: unknown) => {
			throw new Error('Network connection lost.', { cause });
		});
	}
}

/** Waits for the host to say one thing, or why it will not. */
function told(host: ChildProcess, what: 'file' | 'url', hint: string): Promise<string> {
	const { promise, resolve, reject } = Promise.withResolvers<string>();
	host.once('exit', () => reject(notStarted('it ended at once', hint)));
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

function hintFor({ kind }: DatabaseChoice): string {
	if (kind === 'remote') return 'Sign in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.';
	return 'Run `npm ci` and try again.';
}

function notStarted(reason: string, hint: string): LifeboatError {
	const message = `The database could not be opened: ${reason.replace(/\.?$/, '.')}`;
	return new LifeboatError(message, { code: 'database_not_opened', status: 500, hint });
}
