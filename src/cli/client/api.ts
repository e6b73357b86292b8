import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BackupSummary, ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import type { OutsideProof, Proof } from '../../lib/server/backup/format/proof.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { AuditLogPage } from '../../lib/server/operations/audit-log.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { backupCall } from './backup-call.ts';
import { type Call, connect, type Connection, errorIn, send } from './call.ts';
import { callerSettings, type Settings } from './credentials.ts';
import { type MakeOptions, makeBackup } from './make-backup.ts';
import { retryRefused } from './retry.ts';

/** Where `npm run demo` and `npm run preview` start the app. */
export const DEFAULT_APP = 'http://127.0.0.1:5173';

/** How help explains `--from`. */
export const FROM_HELP = `  --from URL         the app to call; otherwise BACKUP_URL from the environment or .env, or
                     ${DEFAULT_APP}. The code is made from TOTP_SECRET, and BACKUP_API_KEY is
                     sent if it is set; both come from the environment or .env too.`;

/**
 * The API of the app at this address, or at BACKUP_URL, called with the settings of this machine.
 * Throws what {@link BackupApi} throws.
 */
export function apiOf(url: string | undefined, signal: AbortSignal): BackupApi {
	const address = url ?? (readSetting('BACKUP_URL') || DEFAULT_APP);
	return new BackupApi(address, callerSettings(), signal);
}

/**
 * The backup API of a running app, called as an operator calls it: each call with a fresh code or
 * token. Warnings of the app go to standard error. Every call throws the error that the app states,
 * what {@link send} throws, and the reason of the signal.
 */
export class BackupApi {
	readonly #connection: Connection;
	readonly #signal: AbortSignal;

	/** Throws what {@link connect} throws. */
	constructor(url: string, settings: Settings, signal: AbortSignal) {
		this.#connection = connect(url, settings, signal);
		this.#signal = signal;
	}

	/** Makes a backup, in as many steps as it takes, with the pauses that the app asks for. */
	async create(options: MakeOptions = {}): Promise<BackupSummary> {
		const { backup } = await makeBackup(backupCall(this.#connection), this.#signal, options);
		return backup;
	}

	/** The newest backups. */
	async list(): Promise<ListedBackup[]> {
		const response = await this.#call({ method: 'GET' });
		const { backups } = (await response.json()) as { backups: ListedBackup[] };
		return backups;
	}

	/** The manifest of a backup as it is stored: its signature is not checked yet. */
	async manifest(name: string): Promise<string> {
		const response = await this.#call({ method: 'GET', path: `/${manifestKey(name)}` });
		return response.text();
	}

	/**
	 * Saves a file of a backup under `path` and returns its SHA-256 in hexadecimal; `onProgress` gets
	 * the bytes so far. Throws `download_broken_off` (503) too.
	 */
	async download(
		file: string,
		path: string,
		onProgress: (bytes: number) => void = () => {},
	): Promise<string> {
		const { body } = await this.#call({ method: 'GET', path: `/${file}` });
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

	/** Records the result of a drill of a backup. */
	async record(name: string, proof: OutsideProof): Promise<Proof> {
		const path = `/${manifestKey(name)}`;
		const body = { action: 'proof', proof };
		const response = await this.#call({ method: 'POST', path, body });
		const answer = (await response.json()) as { proof: Proof };
		return answer.proof;
	}

	/** A page of the audit log, newest first: the first one, or the one that ends at `before`. */
	async journal(limit: number, before: string | null): Promise<AuditLogPage> {
		const query = new URLSearchParams({ limit: String(limit), ...(before !== null && { before }) });
		const response = await this.#call({ method: 'GET', path: `/journal?${query}` });
		return (await response.json()) as AuditLogPage;
	}

	async #call(call: Call): Promise<Response> {
		try {
			return await retryRefused(() => this.#callOnce(call), this.#signal);
		} catch (error) {
			this.#signal.throwIfAborted();
			throw error;
		}
	}

	async #callOnce(call: Call): Promise<Response> {
		const response = await send(this.#connection, call);
		if (response.ok) return response;
		throw errorIn(response, [await response.text()]);
	}
}

function brokenOff(file: string, cause: unknown): LifeboatError {
	return new LifeboatError(`The download of ${file} broke off.`, {
		code: 'download_broken_off',
		status: 503,
		hint: 'Try again.',
		cause,
	});
}
