import { requireOrigin, requireSameOrigin } from '../access/origin.ts';
import { type Environment, placeOf, requireKnown } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { auditLogBucket, type Entry, record, recordFirst } from '../operations/audit-log.ts';

/** How long a session may use the dashboard, in milliseconds. */
export const SESSION_MS = 12 * 3_600_000;

/** Somebody whom the app lets in. */
export interface Person {
	/** Identifies the account in the audit log: something that never changes hands, such as a numeric id. */
	account: string;
	/** The name to show. */
	name: string;
	/** When the session began, in milliseconds since 1970. After 12 hours the dashboard refuses it. */
	since: number;
}

/** A request to the dashboard. */
export interface Knock {
	request: Request;
	url: URL;
	env: Environment;
	address: string;
	/** Keeps the Worker alive until some work is done. */
	keepAlive(work: Promise<unknown>): void;
	/** Whom the app lets in; null for anybody else. */
	authorize(): Promise<Person | null>;
}

/** A request of somebody who was let in. */
export interface Visit extends Omit<Knock, 'authorize'> {
	person: Person;
	/** When it came, in milliseconds since 1970. */
	now: number;
}

/**
 * Lets a person in. Throws `preview_refused`, `origin_foreign` (403), `sign_in_needed`, `session_too_old`
 * (401), `database_unknown` (404), and what `authorize` throws.
 */
export async function enter({ authorize, ...knock }: Knock, now = Date.now()): Promise<Visit> {
	const { request, url, env } = knock;
	requireOrigin(url, env);
	requireSameOrigin(request, url);
	const person = await authorize();
	if (person === null) throw signInNeeded();
	if (!(now - person.since <= SESSION_MS)) throw sessionTooOld();
	requireKnown(env);
	return { ...knock, person, now };
}

/** The caller, as the audit log names a person. */
export function callerOf({ person, address }: Pick<Visit, 'person' | 'address'>): Entry['caller'] {
	return { kind: 'administrator', account: person.account, address };
}

/** What every page shows of a visit. */
export interface Common {
	/** The name of the person. */
	person: string;
	/** The time of the server, in UTC. */
	now: string;
	/** The name of the database, where the app has several. */
	database: string | null;
}

/** What every page shows of a visit. */
export function commonOf({ person, now, env }: Pick<Visit, 'person' | 'now' | 'env'>): Common {
	const { database, databases } = placeOf(env);
	return {
		person: person.name,
		now: new Date(now).toISOString(),
		database: databases.length > 1 ? database : null,
	};
}

/** An entry of the audit log about something that a person did. */
type Deed = Omit<Entry, 'time' | 'caller' | 'database'>;

/** Records what a person did. Never throws. */
export function note(visit: Visit, deed: Deed): Promise<void> {
	return record(auditLogBucket(visit.env), entryOf(visit, deed));
}

/** Records what a person is about to do. Throws `storage_error` (500): then it must not happen. */
export function noteFirst(visit: Visit, deed: Deed): Promise<void> {
	return recordFirst(auditLogBucket(visit.env), entryOf(visit, deed));
}

function entryOf(visit: Visit, deed: Deed): Entry {
	const { database, databases } = placeOf(visit.env);
	return {
		time: new Date().toISOString(),
		...deed,
		...(databases.length > 1 && { database }),
		caller: callerOf(visit),
	};
}

function signInNeeded(): LifeboatError {
	return new LifeboatError('The dashboard is for people whom the app lets in.', {
		code: 'sign_in_needed',
		status: 401,
		hint: 'Sign in with an account that may see the backups. The app decides that with the option "authorize" of lifeboat().',
	});
}

function sessionTooOld(): LifeboatError {
	return new LifeboatError('This session is older than 12 hours.', {
		code: 'session_too_old',
		status: 401,
		hint: 'Nothing was done. Sign out, and sign in again.',
	});
}
