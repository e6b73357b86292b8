// Reports how a drill ended, for .github/workflows/restore-drill.yml. Reads what
// `npm run drill -- --json` prints from standard input. Every drill becomes the summary of the
// workflow's run; one that did not prove its backup is also an annotation and exit code 1, and each
// warning of the backup an annotation. BACKUP holds the backup that was asked for.
import { text } from 'node:stream/consumers';
import { parseObject } from '../client/json.ts';
import { annotate } from '../terminal/annotate.ts';
import { count, duration, size } from '../terminal/text.ts';
import { annotateWarnings, withWarnings } from '../terminal/warnings.ts';
import { summarize } from './summary.ts';

/** What a drill found. */
interface Finding {
	backup: string;
	proven: boolean;
	startedAt: string;
	finishedAt: string;
	tables: number;
	rows: number;
	bytes: number;
	differences: string[];
}

/** Why a drill could not run. */
interface Failure {
	error: string;
	code: string;
	hint: string;
	details?: string[];
}

/** What the drill printed; `drilled` when an earlier one has proven the backup, nothing when it died. */
type Result = Partial<Finding & Failure & { drilled: { at: string }; warnings: string[] }>;

const IDENTITY_HINT =
	'Either trust GitHub with the identity, gh secret set AGE_IDENTITY < FILE, or disable this workflow and drill at home: npm run drill -- latest --record --identity FILE';

const result = parseObject(await text(process.stdin)) as Result;
const name = result.backup ?? process.env['BACKUP'] ?? '';
const warnings = result.warnings ?? [];
const warningRows = warnings.map((warning) => ['Warning', warning]);

if (result.drilled) reportEarlier(result.drilled.at);
else if (result.differences) reportFinding(result as Finding);
else reportFailure();

function reportEarlier(at: string): void {
	annotate('notice', 'Nothing new to drill', `${name} was proven on ${at}`);
	summarize('Drill', [
		['Backup', name],
		['Made', madeAt()],
		['Proven', `yes, on ${at}${withWarnings(warnings)}`],
		...warningRows,
	]);
}

function reportFinding(finding: Finding): void {
	const { proven, tables, rows, bytes, startedAt, finishedAt, differences } = finding;
	if (proven) annotate('notice', 'Backup proven', name);
	else fail('Backup differs', [name, ...differences].join('\n'));
	annotateWarnings(warnings);
	summarize('Drill', [
		['Backup', name],
		['Made', madeAt()],
		['Proven', proven ? `yes${withWarnings(warnings)}` : 'no'],
		['Tables', count(tables)],
		['Rows', count(rows)],
		['Size', size(bytes)],
		['Time taken', duration(startedAt, finishedAt)],
		...differences.map((difference) => ['Difference', difference]),
		...warningRows,
	]);
}

function reportFailure(): void {
	const problem = describe(result);
	fail('Drill failed', problem);
	summarize('Drill', [
		['Backup', name],
		['Proven', 'no: the drill did not run'],
		['Problem', problem],
	]);
}

function describe({ error, code, hint, details = [] }: Result): string {
	if (code === 'identity_needed') return `${error} (${code}) ${IDENTITY_HINT}`;
	if (error) return [`${error} (${code}) ${hint}`.trim(), ...details].join('\n');
	return 'The drill ended without a result. The log of this step says why.';
}

/** The time in the name of a backup. */
function madeAt(): string {
	return /\d{4}-.+Z$/.exec(name)?.[0] ?? '';
}

function fail(title: string, message: string): void {
	annotate('error', title, message);
	process.exitCode = 1;
}
