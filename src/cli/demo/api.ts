import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { BackupSummary, Manifest } from '../../lib/server/backup/manifest.ts';
import { run } from './run.ts';

const GEN_TOTP = fileURLToPath(new URL('../../../genTotp.js', import.meta.url));

/** The backup API of a running app, called as an operator calls it: each time with a fresh code. */
export class BackupApi {
	readonly #url: string;
	readonly #signal: AbortSignal;

	constructor(url: string, signal: AbortSignal) {
		this.#url = `${url}/api/backup`;
		this.#signal = signal;
	}

	/** Makes a backup. */
	async create(): Promise<BackupSummary> {
		const response = await this.#call('POST', '');
		const { backup } = (await response.json()) as { backup: BackupSummary };
		return backup;
	}

	/** The newest backups. */
	async list(): Promise<BackupSummary[]> {
		const response = await this.#call('GET', '');
		const { backups } = (await response.json()) as { backups: BackupSummary[] };
		return backups;
	}

	/** The manifest of a backup. */
	async manifest(name: string): Promise<Manifest> {
		const response = await this.#call('GET', `/${name}.manifest.json`);
		return (await response.json()) as Manifest;
	}

	/** Saves a file of a backup under `path` and returns its SHA-256 in hexadecimal. */
	async download(file: string, path: string): Promise<string> {
		const { body } = await this.#call('GET', `/${file}`);
		const hash = createHash('sha256');
		await pipeline(
			Readable.from(body ?? []),
			async function* (chunks: AsyncIterable<Uint8Array>) {
				for await (const chunk of chunks) {
					hash.update(chunk);
					yield chunk;
				}
			},
			createWriteStream(path),
		);
		return hash.digest('hex');
	}

	/** Throws with the error and the hint of an answer that is not ok. */
	async #call(method: string, path: string): Promise<Response> {
		const headers = { Authorization: `Bearer ${await this.#code()}` };
		const response = await fetch(this.#url + path, { method, headers, signal: this.#signal });
		if (response.ok) return response;
		const { error, hint } = (await response.json()) as { error: string; hint: string };
		throw new Error(`${method} /api/backup${path} answered ${response.status}: ${error} ${hint}`);
	}

	/** The code for the secret in `.env`, which is the one that the app has. */
	async #code(): Promise<string> {
		const env = { ...process.env, TOTP_SECRET: '' };
		return (await run(process.execPath, [GEN_TOTP], { signal: this.#signal, env })).trim();
	}
}
