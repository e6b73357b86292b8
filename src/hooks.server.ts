import type { Handle, HandleServerError } from '@sveltejs/kit';
import { sequence } from '@sveltejs/kit/hooks';
import { handle as auth } from '$accounts/auth';
import { errorResponse, harden, LifeboatError, presentable } from '$lib';
import { backups } from './backups.server';

/** Runs first, so that it also covers Auth.js's own answers. */
const protect: Handle = async ({ event, resolve }) => {
	const answer = await resolve(event);
	const { errorStatus } = event.locals;
	// SvelteKit's client ignores the data of an answer other than 200, so data answers keep theirs.
	const init =
		errorStatus && !event.isDataRequest ? { status: errorStatus, headers: answer.headers } : answer;
	// A copy, because Response.redirect(), which Auth.js uses, makes immutable headers.
	const response = new Response(answer.body, init);
	harden(response.headers, event.url);
	return response;
};

const authenticate: Handle = async ({ event, resolve }) => {
	event.request = withoutForwarded(event.request);
	try {
		return await auth({ event, resolve });
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
		if (event.url.pathname.startsWith('/auth/')) return errorResponse(error);
		// A setting is missing. SvelteKit renders the error page for errors of pages, not of hooks, so
		// the page must throw it.
		event.locals.auth = () => Promise.reject(error);
		return resolve(event);
	}
};

/**
 * Auth.js builds addresses from these headers (@auth/core, lib/utils/env.js), but anybody can send them.
 * The address of the request is correct: Cloudflare has routed it here by that.
 */
function withoutForwarded(request: Request): Request {
	const headers = new Headers(request.headers);
	headers.delete('X-Forwarded-Host');
	headers.delete('X-Forwarded-Proto');
	return new Request(request, { headers });
}

/**
 * The backup API comes before the sessions, which it has none of: it works while sign-in is not set up,
 * and a call with a wrong code reads nothing from the database.
 */
export const handle = sequence(protect, backups.handle, authenticate);

/**
 * What a page shows of an uncaught error: a {@link LifeboatError} with its status, code and hint,
 * anything else as `internal_error`. Never a stack or SQL.
 */
export const handleError: HandleServerError = ({ error, event, status, message }) => {
	if (status < 500) return { message }; // SvelteKit's own, such as 404
	const failure = presentable(error);
	// SvelteKit answers 500 for every error but its own; `protect` sets the right status.
	event.locals.errorStatus = failure.status;
	return { message: failure.message, code: failure.code, hint: failure.hint };
};
