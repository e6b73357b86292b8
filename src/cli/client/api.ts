import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { BackupSummary, ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import type { CheckedPage } from '../../lib/server/backup/keep/check/findings.ts';
import type { PlannedBackup } from '../../lib/server/backup/keep/outlook.ts';
import type { Pruned } from '../../lib/server/backup/keep/prune.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import type { OutsideProof, Proof } from '../../lib/server/backup/format/proof.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { AuditLogPage } from '../../lib/server/operations/audit-log.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { backupCall } from './backup-call.ts';
import { type Call, connect, type Connection, errorIn, send, textOf } from './call.ts';
import { callerSettings, type Settings } from './credentials.ts';
import { type MakeOptions, makeBackup } from './make-backup.ts';
import { retryRefused } from './retry.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** Backups in one call: the most that the app lists. */
const MAX_PAGE = 100;

/** Calls at most: an app whose list never comes to an end is not read forever. */
const MAX_PAGES = 1_000;

/** A page of the list; an older app does not name its databases. */
export interface Page {
	backups: ListedBackup[];
	cursor: string | null;
	databases?: string[];
}

/** A page of what the objects in the bucket are. */
export type BucketPage = CheckedPage & { database: string };
export type Pin = NonNullable<PlannedBackup['pin']>;
export type Mark = NonNullable<PlannedBackup['mark']>;

/** How help explains `--from`. */
export const FROM_HELP = `  --from URL         the app to call; otherwise BACKUP_URL from the environment or .env. The code is made
                     from TOTP_SECRET, and BACKUP_API_KEY is sent if it is set; both come from the
                     environment or .env too.`;

/**
 * The API of the app at this address, or at BACKUP_URL, called with the settings of this machine and
 * about one of its databases. Throws what {@link BackupApi} throws.
 */
export function apiOf(
	url: string | undefined,
	signal: AbortSignal,
	database?: string | undefined,
): BackupApi {
	return new BackupApi(url ?? readSetting('BACKUP_URL'), callerSettings(), signal, database);
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
	constructor(url: string, settings: Settings, signal: AbortSignal, database?: string) {
		this.#connection = { ...connect(url, settings, signal), database };
		this.#signal = signal;
	}

	/** Makes a backup, in as many steps as it takes, with the pauses that the app asks for. */
	async create(options: MakeOptions = {}): Promise<BackupSummary> {
		const made = await makeBackup(backupCall(this.#connection), this.#signal, options);
		if ('backup' in made) return made.backup;
		throw new Error('The app has made other backups than one.');
	}

	/** The newest backups. */
	async list(): Promise<ListedBackup[]> {
		return (await this.page()).backups;
	}

	/** The newest backups, and the names of the app's databases, first the one that is used by default. */
	page(): Promise<Page> {
		return this.#page();
	}

	/** All backups, newest first, in as many calls as that takes. */
	async *all(): AsyncGenerator<ListedBackup> {
		let query = new URLSearchParams({ limit: String(MAX_PAGE) });
		for (let pages = 0; pages < MAX_PAGES; pages++) {
			const { backups, cursor } = await this.#page(`?${query}`);
			yield* backups;
			if (!cursor) return;
			query = new URLSearchParams({ limit: String(MAX_PAGE), cursor });
		}
	}

	/** The manifest of a backup as it is stored: its signature is not checked yet. */
	async manifest(name: string): Promise<string> {
		return this.text(manifestKey(name));
	}

	/** A small file of a backup, such as a proof: its signature is not checked yet. */
	async text(file: string): Promise<string> {
		return textOf(await this.#call({ method: 'GET', path: `/${file}` }));
	}

	/**
	 * Saves a file of a backup as it is stored under `path`, and returns its SHA-256 in hexadecimal. `bytes` is its size in
	 * the manifest: a longer answer is cut off soon after it. `onProgress` gets the bytes so far. Throws
	 * `download_broken_off` (503), and `backup_damaged` (422) for any other size; what has come stays then.
	 */
	async download(
		file: string,
		path: string,
		bytes: number,
		onProgress: (bytes: number) => void = () => {},
	): Promise<string> {
		const { body } = await this.#call({ method: 'GET', path: `/${file}?stored` });
		const hash = createHash('sha256');
		let received = 0;
		const counted = async function* () {
			for await (const chunk of body ?? []) {
				hash.update(chunk);
				onProgress((received += chunk.length));
				yield chunk;
				if (received > bytes) return; // which ends the answer
			}
		};
		try {
			await pipeline(counted, createWriteStream(path, { mode: MODE }));
		} catch (error) {
			this.#signal.throwIfAborted();
			throw brokenOff(file, error);
		}
		if (received !== bytes) throw otherSize(file, received > bytes ? 'more' : 'less', bytes);
		return hash.digest('hex');
	}

	/** Records the result of a drill of a backup. */
	async record(name: string, proof: OutsideProof): Promise<Proof> {
		const path = `/${manifestKey(name)}`;
		const body = { action: 'proof', proof };
		return (await this.#answer<{ proof: Proof }>({ method: 'POST', path, body })).proof;
	}

	/** Lifts the lockout of six-digit codes; returns what it was. */
	async unlock(): Promise<{ wrong: number; lockedUntil: string | null }> {
		const call: Call = { method: 'POST', path: '/lockout', body: { action: 'unlock' } };
		type Answer = { lifted: { wrong: number; lockedUntil: string | null } };
		return (await this.#answer<Answer>(call)).lifted;
	}

	/** Does what the retention policy says now, or tells what that would be. */
	prune({ dryRun }: { dryRun: boolean }): Promise<Pruned> {
		return this.#answer({ method: 'POST', body: { action: 'prune', dryRun } });
	}

	/** Pins a backup; a note says why. */
	async pin(name: string, note: string): Promise<Pin> {
		return (await this.#decide<{ pin: Pin }>(name, { action: 'pin', note })).pin;
	}

	/** Takes the pin of a backup back. */
	async unpin(name: string): Promise<void> {
		await this.#decide(name, { action: 'unpin' });
	}

	/** Marks a backup for removal. */
	async delete(name: string): Promise<Mark> {
		const call: Call = { method: 'DELETE', path: `/${manifestKey(name)}` };
		return (await this.#answer<{ mark: Mark }>(call)).mark;
	}

	/** Takes the mark of a backup back. */
	async unmark(name: string): Promise<void> {
		await this.#decide(name, { action: 'unmark' });
	}

	/** What the objects in the bucket are, in as many calls as that takes. */
	async *check(): AsyncGenerator<BucketPage> {
		let query = '';
		for (let pages = 0; pages < MAX_PAGES; pages++) {
			const page = await this.#answer<BucketPage>({ method: 'GET', path: `/check${query}` });
			yield page;
			if (!page.cursor) return;
			query = `?${new URLSearchParams({ cursor: page.cursor })}`;
		}
	}

	/** A page of the audit log, newest first: the first one, or the one that ends at `before`. */
	async journal(limit: number, before: string | null): Promise<AuditLogPage> {
		const query = new URLSearchParams({ limit: String(limit), ...(before !== null && { before }) });
		return this.#answer({ method: 'GET', path: `/journal?${query}` });
	}

	#page(query = ''): Promise<Page> {
		return this.#answer({ method: 'GET', path: query });
	}

	#decide<T>(name: string, body: object): Promise<T> {
		return this.#answer({ method: 'POST', path: `/${manifestKey(name)}`, body });
	}

	async #answer<T>(call: Call): Promise<T> {
		return JSON.parse(await textOf(await this.#call(call))) as T;
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
		throw errorIn(response, [await textOf(response)]);
	}
}

function otherSize(file: string, how: 'more' | 'less', bytes: number): LifeboatError {
	return new LifeboatError(
		`The app sends ${how} than the ${bytes} bytes that ${file} has according to its manifest.`,
		{
			code: 'backup_damaged',
			status: 422,
			hint: 'Use another backup, and find out who changed this one.',
		},
	);
}

function brokenOff(file: string, cause: unknown): LifeboatError {
	return new LifeboatError(`The download of ${file} broke off.`, {
		code: 'download_broken_off',
		status: 503,
		hint: 'Try again.',
		cause,
	});
}
