/** What a caller needs to act on a failure; see {@link LifeboatError}. */
export interface ErrorDetails {
	/** For programs: `snake_case`, never renamed. */
	code: string;
	/** HTTP status of the answer. */
	status: number;
	/** For people: one sentence that says what to do now. */
	hint: string;
	/** Whether the same call may succeed later without any change. */
	retryable?: boolean;
	/** Seconds to wait before the next try, sent as `Retry-After`. */
	retryAfter?: number;
	cause?: unknown;
}

/**
 * The only error that leaves Lifeboat. Its message and hint never contain a secret, SQL or a stack;
 * `cause` is for the log only.
 */
export class LifeboatError extends Error {
	readonly code: string;
	readonly status: number;
	readonly hint: string;
	readonly retryable: boolean;
	readonly retryAfter: number | undefined;

	constructor(message: string, details: ErrorDetails) {
		super(message, { cause: details.cause });
		this.name = 'LifeboatError';
		this.code = details.code;
		this.status = details.status;
		this.hint = details.hint;
		this.retryable = details.retryable ?? false;
		this.retryAfter = details.retryAfter;
	}

	/** The body of an error answer: `{"error", "code", "hint"}`. */
	toJSON(): { error: string; code: string; hint: string } {
		return { error: this.message, code: this.code, hint: this.hint };
	}
}

const INTERNAL_ERROR: ErrorDetails = {
	code: 'internal_error',
	status: 500,
	hint: "Try again. If it happens again, look at the server's log for the reason.",
};

/**
 * Turns any error into a {@link LifeboatError}: one of ours stays as it is; anything else becomes the
 * cause of a new one, by default `internal_error` (500).
 */
export function toLifeboatError(
	error: unknown,
	message = 'Something went wrong on the server.',
	details = INTERNAL_ERROR,
): LifeboatError {
	if (error instanceof LifeboatError) return error;
	return new LifeboatError(message, { ...details, cause: error });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
