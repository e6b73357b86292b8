import { isDamage } from '../../lib/server/backup/prove/damage.ts';
import { LifeboatError, messageOf, toLifeboatError } from '../../lib/server/errors.ts';
import { TotpError } from '../../lib/totp.js';
import { printable } from './text.ts';

/** The exit codes of a command. A shell adds 128 to the number of a signal, which is 2 for Ctrl-C. */
export const EXIT = { good: 0, differs: 1, notTried: 2, interrupted: 130 };

/** Codes of a restore that was refused or came out different. */
const DIFFERS = ['backup_differs', 'restore_refused', 'restore_differs'];

/** An error with more sentences: what differs, or the state that it left behind. */
export class DetailedError extends LifeboatError {
	readonly details: string[];

	constructor({ message, code, status, hint, cause }: LifeboatError, details: string[]) {
		super(message, { code, status, hint, cause });
		this.details = details;
	}

	override toJSON() {
		return { ...super.toJSON(), details: this.details };
	}
}

/** Any error as a LifeboatError, with its own message; `internal_error` (500) for an unexpected one. */
export function asLifeboatError(error: unknown): LifeboatError {
	const code = error instanceof TotpError ? error.code : 'internal_error';
	return toLifeboatError(error, messageOf(error), { code, status: 500, hint: '' });
}

/**
 * The sentences of an error, for people: its message on one line, then each detail on another. None of
 * them can control a terminal.
 */
export function describe(error: unknown): string {
	const { message, hint } = asLifeboatError(error);
	const details = error instanceof DetailedError ? error.details : [];
	const lines = [`${message} ${hint}`.trim(), ...details];
	return lines.map((line) => printable(line.replace(/\s*\n\s*/g, ' '))).join('\n');
}

/** The exit code of a command that ended with this error. */
export function exitCode(error: LifeboatError): number {
	if (error.code === 'interrupted') return EXIT.interrupted;
	return DIFFERS.includes(error.code) || isDamage(error) ? EXIT.differs : EXIT.notTried;
}
