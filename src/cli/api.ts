import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
	type BackupSummary,
	type ListedBackup,
	manifestKey,
} from '../lib/server/backup/manifest.ts';
import type { OutsideProof, Proof } from '../lib/server/backup/proof.ts';
import { LifeboatError } from '../lib/server/errors.ts';
import { TOTP } from '../lib/totp.js';
import { backupCall } from './backup-call.js';
import { readSetting } from './env.ts';
import { ORIGIN } from './origin.js';
import { CallError, makeBackup } from './steps.js';

/** Where `npm run demo` and `npm run preview` start the app. */
export const DEFAULT_APP = 'http://127.0.0.1:5173';

/**
 * The API of the app at this address, or at BACKUP_URL, with the code of TOTP_SECRET. Throws what
 * {@link BackupApi} throws.
 */
export function apiOf(url: string | undefined, signal: AbortSignal): BackupApi {
	const address = url ?? (readSetting('BACKUP_URL') || DEFAULT_APP);
	return new BackupApi(address, readSetting('TOTP_SECRET'), signal);
}

/** The backup API of a running app, called as an operator calls it: each time with a fresh code. */
export class BackupApi {
	readonly #origin: string;
	readonly #totp: TOTP;
	readonly #signal: AbortSignal;

	/** Throws `app_url_invalid` (400), and TotpError for a bad secret. */
	constructor(url: string, secret: string, signal: AbortSignal) {
		if (!ORIGIN.test(url)) throw notAnOrigin(url);
		this.#origin = new URL(url).origin;
		this.#totp = new TOTP(secret);
		this.#signal = signal;
	}

	/** Makes a backup, in as many steps as it takes. */
	async create(): Promise<BackupSummary> {
		const [origin, totp, signal] = [this.#origin, this.#totp, this.#signal];
		try {
			const { backup } = await makeBackup(backupCall({ origin, totp, signal }), signal);
			return backup;
		} catch (error) {
			throw error instanceof CallError ? new LifeboatError(error.message, error) : error;
		}
	}

	/** The newest backups. */
	async list(): Promise<ListedBackup[]> {
		const response = await this.#call('GET', '');
		const { backups } = (await response.json()) as { backups: ListedBackup[] };
		return backups;
	}

	/** The manifest of a backup as it is stored: who made it is not checked yet. */
	async manifest(name: string): Promise<string> {
		const response = await this.#call('GET', `/${manifestKey(name)}`);
		return response.text();
	}

	/**
	 * Saves a file of a backup under `path` and returns its SHA-256 in hexadecimal; `onProgress` gets
	 * the bytes so far.
	 */
	async download(
		file: string,
		path: string,
		onProgress: (bytes: number) => void = () => {},
	): Promise<string> {
		const { body } = await this.#call('GET', `/${file}`);
		const hash = createHash('sha256');
		let bytes = 0;
		const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
			for await (const chunk of chunks) {
				hash.update(chunk);
				onProgress((bytes += chunk.length));
				yield chunk;
			}
		};
		try {
			await pipeline(Readable.from(body ?? []), counted, createWriteStream(path));
		} catch (error) {
			this.#signal.throwIfAborted();
			throw brokenOff(file, error);
		}
		return hash.digest('hex');
	}

	/** Records what a drill of a backup has found. */
	async record(name: string, proof: OutsideProof): Promise<Proof> {
		const response = await this.#call('POST', `/${manifestKey(name)}`, { action: 'proof', proof });
		const answer = (await response.json()) as { proof: Proof };
		return answer.proof;
	}

	/** Throws the error of an answer that is not ok, as a LifeboatError. */
	async #call(method: string, path: string, body?: object): Promise<Response> {
		const code = await this.#totp.generateTOTP(Date.now() / 1000);
		const headers = { Authorization: `Bearer ${code}`, 'Content-Type': 'application/json' };
		const request: RequestInit = { method, headers, redirect: 'error', signal: this.#signal };
		if (body) request.body = JSON.stringify(body);
		let response: Response;
		try {
			response = await fetch(`${this.#origin}/api/backup${path}`, request);
		} catch (error) {
			this.#signal.throwIfAborted();
			throw unreachable(this.#origin, error);
		}
		if (response.ok) return response;
		throw refused(response.status, await response.text());
	}
}

/** What the API says of an error, or as much as can be said of another answer. */
function refused(status: number, body: string): LifeboatError {
	try {
		const { error, code, hint } = JSON.parse(body) as Record<string, string>;
		if (error && code && hint) return new LifeboatError(error, { code, status, hint });
	} catch {
		// Not the API: something in front of it, or another server.
	}
	return new LifeboatError(`The app answered with status ${status} and no reason.`, {
		code: 'app_answer_unknown',
		status,
		hint: 'Check that the address is that of an app with Lifeboat, and look at its log.',
	});
}

function unreachable(origin: string, cause: unknown): LifeboatError {
	return new LifeboatError(`The app at ${origin} cannot be reached.`, {
		code: 'app_unreachable',
		status: 503,
		hint: 'Start it with `npm run preview`, or give its address with --from or as BACKUP_URL.',
		cause,
	});
}

function brokenOff(file: string, cause: unknown): LifeboatError {
	return new LifeboatError(`Fetching ${file} broke off.`, {
		code: 'download_broken_off',
		status: 503,
		hint: 'Try again.',
		cause,
	});
}

function notAnOrigin(url: string): LifeboatError {
	return new LifeboatError(`${JSON.stringify(url)} is no https origin.`, {
		code: 'app_url_invalid',
		status: 400,
		hint: 'It has to look like https://app.example.com; http is for localhost only.',
	});
}
