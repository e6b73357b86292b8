import { LifeboatError } from './errors.ts';

/**
 * The error that may leave the server: a {@link LifeboatError} as it is, anything else as
 * `internal_error` (500). What is the server's own fault goes to the log, with stack and cause.
 */
export function presentable(error: unknown): LifeboatError {
	if (error instanceof LifeboatError && error.status < 500) return error;
	console.error(error);
	if (error instanceof LifeboatError) return error;
	return new LifeboatError('Something went wrong on the server.', {
		status: 500,
		code: 'internal_error',
		hint: "Try again; if it happens again, the server's log says why.",
		cause: error,
	});
}

/** The JSON answer to a failed API call: `{"error", "code", "hint"}` with the error's status. */
export function errorResponse(error: unknown): Response {
	const answer = presentable(error);
	const headers = new Headers();
	if (answer.retryAfter !== undefined) headers.set('Retry-After', String(answer.retryAfter));
	return Response.json(answer, { status: answer.status, headers });
}
