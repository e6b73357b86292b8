import { LifeboatError } from '../../lib/server/errors.ts';
import { parseObject } from './json.ts';

const TIME_LIMIT_MS = 30_000;

/** The three parts of a JWT: none of these characters ends a header or begins a workflow command. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Asks GitHub's runner for a new OpenID Connect token:
 * https://docs.github.com/en/actions/reference/security/oidc
 * `audience` is the app's BACKUP_OIDC_AUDIENCE. Throws `token_unavailable` (503), and the reason of
 * the signal.
 */
export async function actionsToken(audience: string, signal: AbortSignal): Promise<string> {
	const { ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer = '' } =
		process.env;
	if (url === '' || bearer === '') throw unavailable('this step may not request one');
	const address = `${url}&audience=${encodeURIComponent(audience)}`; // it has a query already
	const limit = new AbortController();
	const timer = setTimeout(() => limit.abort(), TIME_LIMIT_MS);
	try {
		return await ask(address, bearer, AbortSignal.any([signal, limit.signal]));
	} catch (error) {
		signal.throwIfAborted();
		throw error;
	} finally {
		clearTimeout(timer);
	}
}

async function ask(address: string, bearer: string, signal: AbortSignal): Promise<string> {
	const { ok, status, text } = await get(address, bearer, signal).catch((error: unknown) => {
		throw unavailable(`the runner cannot be reached (${kindOf(error)})`, true);
	});
	const { value } = parseObject(text);
	if (ok && typeof value === 'string' && TOKEN.test(value)) return value;
	throw unavailable(`the runner answered HTTP ${status} without one`, status >= 500);
}

async function get(address: string, bearer: string, signal: AbortSignal) {
	const response = await fetch(address, {
		headers: { Authorization: `bearer ${bearer}`, Accept: 'application/json' },
		redirect: 'manual', // a redirect would hand the bearer to someone else
		signal,
	});
	return { ok: response.ok, status: response.status, text: await response.text() };
}

/** What went wrong with a request, without its message, which may quote the address. */
function kindOf(error: unknown): string {
	if (!(error instanceof Error)) return 'unknown';
	const { cause } = error;
	return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name;
}

/** `reason` must hold nothing of an address, a token or an answer. */
function unavailable(reason: string, retryable = false): LifeboatError {
	return new LifeboatError(`GitHub issued no token: ${reason}.`, {
		code: 'token_unavailable',
		status: 503,
		hint: 'The job needs `permissions: id-token: write`. Without BACKUP_OIDC_AUDIENCE the workflow uses codes of TOTP_SECRET.',
		retryable,
	});
}
