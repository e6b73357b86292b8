import type { Handle, HandleServerError } from '@sveltejs/kit';
import { sequence } from '@sveltejs/kit/hooks';
import { handle as auth } from '$accounts/auth';
import { LifeboatError } from '$lib/server/errors';
import { harden } from '$lib/server/http/headers';
import { errorResponse, presentable } from '$lib/server/http/respond';

/** First, so that it covers answers that Auth.js gives by itself. */
const protect: Handle = async ({ event, resolve }) => {
	const answer = await resolve(event);
	const { errorStatus } = event.locals;
	// The client takes a data answer that is not 200 for one without data, so that one stays.
	const init =
		errorStatus && !event.isDataRequest ? { status: errorStatus, headers: answer.headers } : answer;
	// A copy, because Response.redirect(), which Auth.js uses, makes headers that cannot change.
	const response = new Response(answer.body, init);
	harden(response.headers, event.url);
	return response;
};

const authenticate: Handle = async ({ event, resolve }) => {
	// The backup API knows codes only. It works while sign-in is not set up, and a call with a
	// wrong code reads nothing from the database.
	if (event.route.id?.startsWith('/api/backup')) return resolve(event);
	event.request = withoutForwarded(event.request);
	try {
		return await auth({ event, resolve });
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
		if (event.url.pathname.startsWith('/auth/')) return errorResponse(error);
		// A setting is missing. SvelteKit renders the error page for what a page throws, not for
		// what a hook throws; so let the page find out.
		event.locals.auth = () => Promise.reject(error);
		return resolve(event);
	}
};

/**
 * Auth.js makes addresses of these headers (@auth/core, lib/utils/env.js), but anybody can send them. The
 * address of the request itself is the one that Cloudflare has routed here.
 */
function withoutForwarded(request: Request): Request {
	const headers = new Headers(request.headers);
	headers.delete('X-Forwarded-Host');
	headers.delete('X-Forwarded-Proto');
	return new Request(request, { headers });
}

export const handle = sequence(protect, authenticate);

/**
 * What a page shows of an error that nobody caught: a {@link LifeboatError} with its own status,
 * code and hint, anything else as `internal_error`. Never a stack or SQL.
 */
export const handleError: HandleServerError = ({ error, event, status, message }) => {
	if (status < 500) return { message }; // SvelteKit's own, such as 404
	const failure = presentable(error);
	// SvelteKit answers 500 to every error class but its own; `protect` puts this one in its place.
	event.locals.errorStatus = failure.status;
	return { message: failure.message, code: failure.code, hint: failure.hint };
};
