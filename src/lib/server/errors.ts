/** What a caller needs to act on a failure; see {@link LifeboatError}. */
export interface ErrorDetails {
	/** Stable, for programs: `snake_case`, never renamed. */
	code: string;
	/** HTTP status of the answer. */
	status: number;
	/** One sentence for people: what to do now. */
	hint: string;
	/** True when the same call may succeed later without any change. */
	retryable?: boolean;
	/** Seconds to wait before the next try, sent as `Retry-After`. */
	retryAfter?: number;
	cause?: unknown;
}

/**
 * The one error that leaves Lifeboat: a code, a status, a sentence and a hint.
 * The message and hint hold no secret, SQL or stack; `cause` is for the log only.
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

	/** The answer's body: `{"error", "code", "hint"}`. */
	toJSON(): { error: string; code: string; hint: string } {
		return { error: this.message, code: this.code, hint: this.hint };
	}
}
