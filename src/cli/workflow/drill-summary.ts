import { LifeboatError } from '../../lib/server/errors.ts';
import { TotpError } from '../../lib/totp.js';
import { annotate } from '../terminal/annotate.ts';
import { withWarnings } from '../terminal/warnings.ts';
import { summarize } from './summary.ts';

/** Why a drill could not run, as `npm run drill -- --json` prints it. */
export interface Failure {
	error?: string;
	code?: string;
	hint?: string;
	details?: string[];
}

const IDENTITY_HINT =
	'Either trust GitHub with the identity, gh secret set AGE_IDENTITY --env lifeboat < FILE, or disable this workflow and drill at home: npm run drill -- latest --record --identity FILE';

/** Reports that an earlier drill, at this time, has proven a backup. */
export function reportEarlier(name: string, at: string, warnings: string[]): void {
	annotate('notice', 'Nothing new to drill', `${name} was proven on ${at}`);
	summarize('Drill', [
		['Backup', name],
		['Made', madeAt(name)],
		['Proven', `yes, on ${at}${withWarnings(warnings)}`],
		...warningRows(warnings),
	]);
}

/** Reports that a drill did not run, by its error or by what it printed. The job fails. */
export function reportFailure(name: string, failure: unknown): void {
	const problem = failure instanceof Error ? sentencesOf(failure) : describe(failure as Failure);
	annotate('error', 'Drill failed', problem);
	process.exitCode = 1;
	summarize('Drill', [
		['Backup', name],
		['Proven', 'no: the drill did not run'],
		['Problem', problem],
	]);
}

/** Any error in words, with its code and what to do. */
export function sentencesOf(error: unknown): string {
	if (error instanceof LifeboatError) return describe(error.toJSON());
	if (error instanceof TotpError) return `TOTP_SECRET makes no code: ${error.message}`;
	return String(error);
}

/** A row of the summary for each warning. */
export function warningRows(warnings: string[]): string[][] {
	return warnings.map((warning) => ['Warning', warning]);
}

/** The time in the name of a backup. */
export function madeAt(name: string): string {
	return /\d{4}-.+Z$/.exec(name)?.[0] ?? '';
}

function describe({ error, code, hint = '', details = [] }: Failure): string {
	if (code === 'identity_needed') return `${error} (${code}) ${IDENTITY_HINT}`;
	if (error) return [`${error} (${code}) ${hint}`.trim(), ...details].join('\n');
	return 'The drill ended without a result. The log of this step says why.';
}
