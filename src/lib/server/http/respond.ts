import { type LifeboatError, toLifeboatError } from '../errors.ts';

/** An error as callers may see it. If the server is at fault, the original is logged. */
export function presentable(error: unknown): LifeboatError {
	const failure = toLifeboatError(error);
	if (failure.status >= 500) console.error(error); // with stack and cause
	return failure;
}

/** The answer to a failed call: `{"error", "code", "hint"}` with the error's status. */
export function errorResponse(error: unknown): Response {
	const answer = presentable(error);
	const headers = new Headers();
	if (answer.retryAfter !== undefined) headers.set('Retry-After', String(answer.retryAfter));
	return Response.json(answer, { status: answer.status, headers });
}
