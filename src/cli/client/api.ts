import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type BackupSummary, type ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import type { OutsideProof, Proof } from '../../lib/server/backup/format/proof.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { AuditLogPage } from '../../lib/server/operations/audit-log.ts';
import { backupCall } from './backup-call.js';
import { CALLER_SETTINGS, type Credentials, credentials } from './credentials.js';
import { readSetting } from '../secrets/env.ts';
import { ORIGIN } from './origin.js';
import { patiently, retryAfterOf } from './retry.js';
import { CallError, makeBackup } from './make-backup.js';
import { warnOnce } from '../workflow/summary.js';

/** Where `npm run demo` and `npm run preview` start the app. */
export const DEFAULT_APP = 'http://127.0.0.1:5173';

/** What `--from` is, for help. */
export const FROM_HELP = `  --from URL         the app to ask; otherwise BACKUP_URL from the environment or .env, or
                     ${DEFAULT_APP}. The code is made from TOTP_SECRET, and BACKUP_API_KEY is
                     sent where there is one, both found likewise.`;

/**
 * The API of the app at this address, or at BACKUP_URL, called with what the settings here say. Throws
 * what {@link BackupApi} throws.
 */
export function apiOf(url: string | undefined, signal: AbortSignal): BackupApi {
	const address = url ?? (readSetting('BACKUP_URL') || DEFAULT_APP);
	const environment = CALLER_SETTINGS.map((name) => [name, readSetting(name)]);
	return new BackupApi(address, Object.fromEntries(environment), signal);
}

/**
 * The backup API of a running app, called as an operator calls it: each time with a fresh code, or
 * token. What the app warns of is shown on standard error. Every call throws the error that the app
 * answers, as LifeboatError.
 */
export class BackupApi {
	readonly #origin: string;
	readonly #credentials: Credentials;
	readonly #signal: AbortSignal;

	/** Throws `app_url_invalid` (400), and TotpError for a bad secret where it takes a code. */
	constructor(url: string, environment: Record<string, string>, signal: AbortSignal) {
		if (!ORIGIN.test(url)) throw notAnOrigin(url);
		this.#origin = new URL(url).origin;
		this.#credentials = credentials({ environment, signal });
		this.#signal = signal;
	}

	/** Makes a backup, in as many steps as it takes. */
	async create(): Promise<BackupSummary> {
		const [origin, credentials, signal] = [this.#origin, this.#credentials, this.#signal];
		const call = backupCall({ origin, credentials, signal });
		const { backup } = await asLifeboatErrors(makeBackup(call, signal));
		return backup;
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

	/** A page of the journal, newest first: the first one, or what came before a point of it. */
	async journal(limit: number, before: string | null): Promise<AuditLogPage> {
		const query = new URLSearchParams({ limit: String(limit), ...(before !== null && { before }) });
		const response = await this.#call('GET', `/journal?${query}`);
		return (await response.json()) as AuditLogPage;
	}

	#call(method: string, path: string, body?: object): Promise<Response> {
		const call = () => this.#callOnce(method, path, body);
		return asLifeboatErrors(patiently(call, this.#signal));
	}

	async #callOnce(method: string, path: string, body?: object): Promise<Response> {
		const headers = { ...(await this.#credentials()), 'Content-Type': 'application/json' };
		const request: RequestInit = { method, headers, redirect: 'error', signal: this.#signal };
		if (body) request.body = JSON.stringify(body);
		let response: Response;
		try {
			response = await fetch(`${this.#origin}/api/backup${path}`, request);
		} catch (error) {
			this.#signal.throwIfAborted();
			throw unreachable(this.#origin, error);
		}
		warnOnce(response.headers.get('X-Backup-Warning'));
		if (response.ok) return response;
		throw refused(response, await response.text());
	}
}

/** The errors of modules that plain Node 20 runs, as all other errors of the commands are. */
async function asLifeboatErrors<T>(work: Promise<T>): Promise<T> {
	try {
		return await work;
	} catch (error) {
		throw error instanceof CallError ? new LifeboatError(error.message, error) : error;
	}
}

/** What the API says of an error, or as much as can be said of another answer. */
function refused(response: Response, body: string): LifeboatError {
	const { status } = response;
	const retryAfter = retryAfterOf(response);
	try {
		const { error, code, hint } = JSON.parse(body) as Record<string, string>;
		if (error && code && hint) {
			return new LifeboatError(error, { code, status, hint, retryAfter });
		}
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
