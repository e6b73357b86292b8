import { LifeboatError } from '../errors.ts';

/** The error that may leave the server: {@link toLifeboatError}; the server's own fault is logged. */
export function presentable(error: unknown): LifeboatError {
	const failure = toLifeboatError(error);
	if (failure.status >= 500) console.error(error); // with stack and cause
	return failure;
}

/** A {@link LifeboatError} as it is, anything else as `internal_error` (500). */
export function toLifeboatError(error: unknown): LifeboatError {
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
