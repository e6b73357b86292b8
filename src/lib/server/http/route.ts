import type { RequestEvent, RequestHandler } from '@sveltejs/kit';
import { JustLocked } from '../access/lockout.ts';
import { admit, type Caller } from '../access/index.ts';
import { requireProduction } from '../access/preview.ts';
import { accessSettings } from '../access/settings.ts';
import type { Environment } from '../environment.ts';
import { toLifeboatError } from '../errors.ts';
import { type Operations, operationsOf } from '../operations/index.ts';
import { type Entry, auditLogBucket, record } from '../operations/audit-log.ts';
import { watchLock } from '../operations/watch.ts';
import { type Work, workResponse } from './progress.ts';
import { errorResponse } from './respond.ts';

const WARNING =
	'The code was made with TOTP_SECRET_PREVIOUS. Give this caller the new TOTP_SECRET before the old one is removed.';

/** What the journal is to know of a call beside how it ended: nothing that a stranger has sent. */
type Facts = Pick<Entry, 'backup' | 'rows' | 'bytes'>;

/** What a route does for a call: it answers, or has work to do that may take a while. */
export type Handle = (call: Call) => Promise<Response | Work>;

/**
 * A route of the backup API. Whatever comes of a call is answered in the API's own words and written
 * down in the journal.
 */
export function apiRoute(operation: string, handle: Handle): RequestHandler {
	return async (event) => {
		const call = new Call(event, operation);
		const response = await answer(call, handle);
		if (call.caller?.previous) response.headers.set('X-Backup-Warning', WARNING);
		return response;
	};
}

/** A call of the backup API. */
export class Call {
	/** What is asked for, as the journal names it. */
	operation: string;
	/** Who calls, once that is known. */
	caller: Caller | undefined;
	readonly request: Request;
	readonly url: URL;
	readonly env: Environment | undefined;
	readonly params: Partial<Record<string, string>>;
	readonly #address: () => string;
	readonly #context: App.Platform['ctx'] | undefined;
	readonly #startedAt = Date.now();
	#facts: Facts = {};
	#isRecorded = false;

	constructor(event: RequestEvent, operation: string) {
		this.request = event.request;
		this.url = event.url;
		this.env = event.platform?.env;
		this.params = event.params;
		this.operation = operation;
		this.#address = event.getClientAddress;
		this.#context = event.platform?.ctx;
	}

	/** Lets the caller pass. Throws what {@link requireProduction} and {@link admit} throw. */
	async admit(): Promise<Caller> {
		requireProduction(this.url, this.env);
		const settings = accessSettings(this.env);
		try {
			this.caller = await admit(settings, this.request, this.address(), this.#startedAt);
			return this.caller;
		} catch (error) {
			if (error instanceof JustLocked) await watchLock(this.operations());
			throw error;
		}
	}

	/** Where the call came from; nothing where Cloudflare has not said so. */
	address(): string {
		return this.#address() ?? '';
	}

	/** Throws what {@link operationsOf} throws. */
	operations(): Operations {
		return operationsOf(this.env, this.url);
	}

	/** Lets some work come to its end, as its tidying up and its alerts, when the caller has gone away. */
	keepAlive(work: Promise<unknown>): void {
		this.#context?.waitUntil(work.catch(() => {})); // whoever waits for it hears of its error
	}

	/** Tells the journal more. */
	note(facts: Facts): void {
		this.#facts = { ...this.#facts, ...facts };
	}

	/** Writes down how the call ended; only the first time counts. */
	async end(outcome: Entry['outcome'], status: number, code?: string): Promise<void> {
		if (this.#isRecorded) return;
		this.#isRecorded = true;
		const now = Date.now();
		await record(auditLogBucket(this.env), {
			...{ time: new Date(now).toISOString(), operation: this.operation, outcome },
			...(code !== undefined && { code }),
			...{ status, durationMs: now - this.#startedAt, ...this.#facts },
			...(this.caller?.previous && { previousSecret: true }),
			caller: { kind: this.caller?.kind ?? 'stranger', address: this.address() },
		});
	}
}

async function answer(call: Call, handle: Handle): Promise<Response> {
	try {
		const handled = await handle(call);
		if (typeof handled === 'function')
			return await workResponse(call.request, observed(call, handled));
		await call.end('done', handled.status);
		return handled;
	} catch (error) {
		const { status, code } = toLifeboatError(error);
		await call.end(status < 500 ? 'refused' : 'failed', status, code);
		return errorResponse(error);
	}
}

/** The work, which writes down how it ended: the answer may have begun long before. */
function observed(call: Call, work: Work): Work {
	const run: Work = async (report) => {
		try {
			const done = await work(report);
			await call.end('done', done.status);
			return done;
		} catch (error) {
			const { status, code } = toLifeboatError(error);
			await call.end('failed', status, code);
			throw error;
		}
	};
	return (report) => {
		const running = run(report);
		call.keepAlive(running);
		return running;
	};
}
