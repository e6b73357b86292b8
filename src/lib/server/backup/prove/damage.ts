import { LifeboatError } from '../../errors.ts';

/** Codes of errors that mean that a backup is damaged, not that it could not be read. */
const DAMAGES = [
	'backup_damaged',
	'parent_differs',
	'parent_missing',
	'sql_incomplete',
	'sql_not_text',
	'statement_too_long',
];

/** True for errors that mean that a backup is damaged. */
export function isDamage(error: unknown): error is LifeboatError {
	return error instanceof LifeboatError && DAMAGES.includes(error.code);
}

/** `backup_damaged` (422). */
export function damaged(message: string, cause?: unknown): LifeboatError {
	return new LifeboatError(message, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Make another backup. Keep this one: parts of it may still be usable.',
		cause,
	});
}
