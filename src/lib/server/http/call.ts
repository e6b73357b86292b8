import { networkOf } from '../access/addresses.ts';
import { admit, type Caller } from '../access/index.ts';
import { JustLocked } from '../access/lockout.ts';
import { originWarning, requireOrigin } from '../access/origin.ts';
import { accessSettings } from '../access/settings.ts';
import { type Environment, placeOf, requireKnown } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { auditLogBucket, type Entry, record } from '../operations/audit-log.ts';
import { type Operations, operationsOf, tidyAuditLog } from '../operations/index.ts';
import { watchLockout, watchWrongKey } from '../operations/watch.ts';

/** The parts of SvelteKit's `RequestEvent` that the API uses. */
export interface ApiEvent {
	request: Request;
	url: URL;
	params: Partial<Record<string, string>>;
	platform?: Readonly<ApiPlatform> | undefined;
	getClientAddress(): string;
}

const PREVIOUS_SECRET =
	'The code was made with TOTP_SECRET_PREVIOUS. Give this caller the new TOTP_SECRET before the old one is removed.';

interface ApiPlatform {
	env: Environment;
	ctx?: { waitUntil(promise: Promise<unknown>): void };
}

/** What a call adds to its entry in the audit log; never input of a stranger. */
type Facts = Pick<Entry, 'backup' | 'parent' | 'rows' | 'bytes' | 'waitedMs' | 'warnings'>;

/** A call of the backup API. */
export class Call {
	/** The operation, as the audit log names it. */
	operation: string;
	/** Whether it concerns the whole app, and not one of its databases. */
	isAppWide = false;
	/** Who calls, once that is known. */
	caller: Caller | undefined;
	readonly request: Request;
	readonly url: URL;
	readonly env: Environment | undefined;
	readonly params: ApiEvent['params'];
	/** Sentences for the header `X-Backup-Warning` of the answer. */
	readonly warnings: string[] = [];
	readonly #event: ApiEvent;
	readonly #startedAt = Date.now();
	#facts: Facts = {};
	#isRecorded = false;
	#isAtOwnOrigin = false;

	constructor(event: ApiEvent, operation: string) {
		this.request = event.request;
		this.url = event.url;
		this.env = event.platform?.env;
		this.params = event.params;
		this.operation = operation;
		this.#event = event;
	}

	/**
	 * Authenticates the caller, who names one database, or may name all of them. Throws what
	 * {@link requireOrigin}, {@link admit} and {@link requireKnown} throw.
	 */
	async admit(databases?: { mayBeAll: boolean }): Promise<Caller> {
		requireOrigin(this.url, this.env);
		this.#isAtOwnOrigin = true;
		const settings = accessSettings(this.env);
		try {
			this.caller = await admit(settings, this.request, this.address(), this.#startedAt);
		} catch (error) {
			await this.#watchRefusal(error);
			throw error;
		}
		requireKnown(this.env, databases);
		const unsure = originWarning(this.url, this.env);
		if (unsure !== null) this.warnings.push(unsure);
		if (this.caller.previous) this.warnings.push(PREVIOUS_SECRET);
		return this.caller;
	}

	/** The caller's address; empty if Cloudflare does not provide it. */
	address(): string {
		return this.#event.getClientAddress() ?? '';
	}

	/** What counts as one caller. GitHub's machines have a new address each time, so all of them are one. */
	network(): string {
		return this.caller?.kind === 'token' ? 'GitHub Actions' : networkOf(this.address());
	}

	/** Throws what {@link operationsOf} throws. */
	operations(): Operations {
		return operationsOf(this.env, this.url);
	}

	/** Keeps the Worker alive until clean-up and alerts finish, even if the caller disconnects. */
	keepAlive(work: Promise<unknown>): void {
		this.#event.platform?.ctx?.waitUntil(work.catch(() => {})); // the caller gets the error
	}

	/**
	 * Removes what is too old from the audit log, after the answer. An older deployment leaves it alone:
	 * its settings may say to keep less.
	 */
	tidy(): void {
		if (this.#isAtOwnOrigin) this.keepAlive(tidyAuditLog(this.env));
	}

	/** Adds details to the entry in the audit log. */
	note(facts: Facts): void {
		this.#facts = { ...this.#facts, ...facts };
	}

	/** Records how the call ended; only the first time counts. */
	async end(outcome: Entry['outcome'], status: number, code?: string): Promise<void> {
		if (this.#isRecorded) return;
		this.#isRecorded = true;
		const now = Date.now();
		await record(auditLogBucket(this.env), {
			time: new Date(now).toISOString(),
			operation: this.operation,
			outcome,
			...(code !== undefined && { code }),
			status,
			durationMs: now - this.#startedAt,
			...this.#databaseOfEntry(),
			...this.#facts,
			...(this.caller?.previous && { previousSecret: true }),
			caller: { kind: this.caller?.kind ?? 'stranger', address: this.address() },
		});
	}

	/** The database, where the app has several; a stranger has not shown that the call is about one. */
	#databaseOfEntry(): Pick<Entry, 'database'> {
		const { database, databases } = placeOf(this.env);
		const isNamed = this.caller !== undefined && !this.isAppWide && !this.env?.isUnknown;
		return isNamed && databases.length > 1 ? { database } : {};
	}

	async #watchRefusal(error: unknown): Promise<void> {
		if (error instanceof JustLocked) await watchLockout(this.operations());
		const isWrongKey = error instanceof LifeboatError && error.code === 'api_key_invalid';
		if (isWrongKey) await watchWrongKey(this.operations());
	}
}
