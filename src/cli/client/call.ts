import { LifeboatError } from '../../lib/server/errors.ts';
import { warnOnce } from '../terminal/annotate.ts';
import { type Credentials, type Settings, credentials } from './credentials.ts';
import { parseObject } from './json.ts';

/** An origin and nothing else. Plain http would expose the code on its way, so it is for this machine. */
export const ORIGIN = /^(?:https:\/\/[^/@?#\s]+|http:\/\/(?:localhost|127\.0\.0\.1)(?::\d+)?)\/?$/;

/** Bytes of an answer that is read as a whole: a manifest of 100,000 volumes has half of them. */
const MAX_ANSWER_BYTES = 64e6;

/** Characters of a page that is not an answer of the app, such as a proxy's. */
const EXCERPT_LENGTH = 300;

/**
 * Errors that may pass, and after which a ticket is still valid. The HTTP status cannot tell: a long
 * answer has begun with 200.
 */
const PASSING = [
	'backup_running',
	'database_unavailable',
	'internal_error',
	'lock_lost',
	'storage_error',
];

/** Which app is called, and by whom. */
export interface Connection {
	origin: string;
	credentials: Credentials;
	/** Ends every call. */
	signal: AbortSignal;
	/** The database that every call is about: `*` for all, undefined for the app's first one. */
	database?: string | undefined;
}

/** One request to the backup API. */
export interface Call {
	method: 'GET' | 'POST' | 'DELETE';
	/** What follows `/api/backup`. */
	path?: string;
	body?: object;
	/** A media type. */
	accept?: string;
}

/**
 * Connects to an app without calling it yet. `onSecret` receives everything that must not appear in a
 * log. Throws `app_url_missing` and `app_url_invalid` (400), and TotpError when TOTP_SECRET is needed and
 * invalid.
 */
export function connect(
	url: string,
	settings: Settings,
	signal: AbortSignal,
	onSecret?: (secret: string) => void,
): Connection {
	if (url === '') throw noAddress();
	if (!ORIGIN.test(url) || !URL.canParse(url)) throw notAnOrigin();
	const { origin } = new URL(url);
	return { origin, credentials: credentials(settings, signal, onSecret), signal };
}

/**
 * Sends a request with fresh credentials, and shows the warning that its answer may carry. Throws
 * `app_unreachable` (503), also when the signal ended the call, and what the credentials throw.
 */
export async function send(
	{ origin, credentials, signal, database }: Connection,
	{ method, path = '', body, accept = '*/*' }: Call,
): Promise<Response> {
	const headers = await credentials();
	const url = new URL(`${origin}/api/backup${path}`);
	if (database !== undefined) url.searchParams.set('database', database);
	let response: Response;
	try {
		response = await fetch(url, {
			method,
			headers: { ...headers, 'Content-Type': 'application/json', Accept: accept },
			body: body && JSON.stringify(body),
			redirect: 'manual', // a redirect would hand the credentials to someone else
			signal,
		});
	} catch (error) {
		throw unreachable(origin, error);
	}
	warnOnce(response.headers.get('X-Backup-Warning'));
	return response;
}

/** The text of an answer. Throws `app_answer_unknown` for one that is too long, and what reading it throws. */
export async function textOf(response: Response): Promise<string> {
	const decoder = new TextDecoder();
	let text = '';
	let bytes = 0;
	for await (const chunk of response.body ?? []) {
		if ((bytes += chunk.length) > MAX_ANSWER_BYTES)
			throw unknownAnswer(response, ['It is too long.']);
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}

/**
 * The error in an answer, of which `lines` are the text: the last one states it, as docs/api.md
 * describes. Otherwise `app_answer_unknown`, with the words of whatever answered instead of the app.
 */
export function errorIn(response: Response, lines: string[]): LifeboatError {
	const { error, code, hint } = parseObject(lines.at(-1) ?? '');
	if (typeof error !== 'string' || typeof code !== 'string' || !/^\w+$/.test(code)) {
		return unknownAnswer(response, lines);
	}
	return new LifeboatError(error, {
		code,
		status: response.status,
		hint: String(hint ?? ''),
		retryable: PASSING.includes(code),
		retryAfter: retryAfterOf(response),
	});
}

/** The reason behind the "fetch failed" of a call. */
export function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	return error.cause ? reasonOf(error.cause) : error.message;
}

/** The seconds that an answer asks to wait; undefined when it names none, or a date. */
function retryAfterOf({ headers }: Response): number | undefined {
	const [seconds] = /^\d+$/.exec(headers.get('Retry-After') ?? '') ?? [];
	return seconds === undefined ? undefined : Number(seconds);
}

/** The words of a page, without HTML. */
function excerpt(lines: string[]): string {
	const words = lines.join(' ').replace(/<[^>]*>/g, ' ');
	return words.replace(/\s+/g, ' ').trim().slice(0, EXCERPT_LENGTH);
}

function unknownAnswer(response: Response, lines: string[]): LifeboatError {
	const { status } = response;
	const hint = 'Check that BACKUP_URL, or --from, is the address of an app with Lifeboat.';
	return new LifeboatError(`HTTP ${status} from the app, without a result.`, {
		code: 'app_answer_unknown',
		status,
		hint: `${hint} ${excerpt(lines)}`.trim(),
		// From a proxy, or from a limit of the platform: either may pass.
		retryable: status >= 500 || status === 429,
		retryAfter: retryAfterOf(response),
	});
}

function unreachable(origin: string, cause: unknown): LifeboatError {
	return new LifeboatError(`The app at ${origin} cannot be reached: ${reasonOf(cause)}.`, {
		code: 'app_unreachable',
		status: 503,
		hint: 'Check BACKUP_URL or --from. `npm run preview` starts the app on this machine.',
		retryable: true,
		cause,
	});
}

/** Credentials go to no address that nobody chose. */
function noAddress(): LifeboatError {
	return new LifeboatError('The address of the app is not set.', {
		code: 'app_url_missing',
		status: 400,
		hint: 'Set BACKUP_URL in .env or the environment to the origin of the app, such as https://app.example.com, or give it with --from.',
	});
}

function notAnOrigin(): LifeboatError {
	return new LifeboatError('The address of the app is not an https origin.', {
		code: 'app_url_invalid',
		status: 400,
		hint: 'BACKUP_URL, or --from, must look like https://app.example.com; http is for localhost only.',
	});
}
