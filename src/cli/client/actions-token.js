// A token of OpenID Connect for a step of a workflow, in place of a code. Needs Node 20 and nothing
// installed.
import { CallError } from './make-backup.js';
import { parseObject } from '../workflow/summary.js';

/** Milliseconds. */
const TIME_LIMIT_MS = 30_000;

/** The three parts of a token: nothing in them can end a header, or be a command for a workflow. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Asks GitHub's runner for a new token:
 * https://docs.github.com/en/actions/reference/security/oidc
 * @param {string} audience Whom the token is for: BACKUP_OIDC_AUDIENCE of the app.
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 * @throws CallError `token_unavailable`, and the reason of the signal
 */
export async function actionsToken(audience, signal) {
	const { ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer = '' } =
		process.env;
	if (url === '' || bearer === '') throw unavailable('this step may not ask for one');
	// The address has a query already.
	const address = `${url}&audience=${encodeURIComponent(audience)}`;
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

/**
 * @param {string} address
 * @param {string} bearer
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
async function ask(address, bearer, signal) {
	const { ok, status, text } = await get(address, bearer, signal).catch((error) => {
		throw unavailable(`the runner cannot be asked (${error.cause?.code ?? error.name})`, true);
	});
	const { value } = parseObject(text);
	if (ok && typeof value === 'string' && TOKEN.test(value)) return value;
	throw unavailable(`the runner has answered with HTTP ${status} and none`, status >= 500);
}

/**
 * @param {string} address
 * @param {string} bearer
 * @param {AbortSignal} signal
 */
async function get(address, bearer, signal) {
	const response = await fetch(address, {
		headers: { Authorization: `bearer ${bearer}`, Accept: 'application/json' },
		redirect: 'manual', // nobody else is to get the bearer
		signal,
	});
	return { ok: response.ok, status: response.status, text: await response.text() };
}

/**
 * @param {string} reason Nothing of an address, a token or an answer.
 * @param {boolean} retryable
 */
function unavailable(reason, retryable = false) {
	return new CallError(`GitHub gives no token: ${reason}.`, {
		code: 'token_unavailable',
		hint: 'The job needs `permissions: id-token: write`. Without BACKUP_OIDC_AUDIENCE the workflow calls with codes of TOTP_SECRET.',
		retryable,
	});
}
