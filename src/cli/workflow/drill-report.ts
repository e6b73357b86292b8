// Reports how a drill ended, for .github/workflows/restore-drill.yml. Reads what
// `npm run drill -- --json` prints from standard input. Every drill becomes the summary of the
// workflow's run; one that did not prove its backup is also an annotation and exit code 1, and each
// warning of the backup an annotation. What it found becomes the output `proof` of the step, for
// ./record-proof.ts. BACKUP is the name of the backup.
import { appendFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseObject } from '../client/json.ts';
import { annotate } from '../terminal/annotate.ts';
import { count, duration, size } from '../terminal/text.ts';
import { annotateWarnings, withWarnings } from '../terminal/warnings.ts';
import { type Failure, madeAt, reportFailure, warningRows } from './drill-summary.ts';
import { summarize } from './summary.ts';

/** What a drill found. */
interface Finding {
	/** The file that it read. */
	backup: string;
	proven: boolean;
	startedAt: string;
	finishedAt: string;
	tables: number;
	rows: number;
	bytes: number;
	differences: string[];
	warnings?: string[];
}

/** What the drill printed; nothing when it died. */
type Result = Partial<Finding> & Failure;

const { BACKUP: name = '', GITHUB_OUTPUT: output = '/dev/stdout' } = process.env;
const result = parseObject(await text(process.stdin)) as Result;

if (result.differences) reportFinding(result as Finding);
else reportFailure(name, result);

function reportFinding({ warnings = [], ...found }: Finding): void {
	const { proven, tables, rows, bytes, startedAt, finishedAt, differences } = found;
	const about = { kind: 'drill', by: 'GitHub Actions', backup: undefined }; // not the file's path
	const proof = JSON.stringify({ ...found, ...about });
	appendFileSync(output, `proof=${proof}\n`); // JSON has no line break in it
	if (proven) annotate('notice', 'Backup proven', name);
	else annotate('error', 'Backup differs', [name, ...differences].join('\n'));
	if (!proven) process.exitCode = 1;
	annotateWarnings(warnings);
	summarize('Drill', [
		['Backup', name],
		['Made', madeAt(name)],
		['Proven', proven ? `yes${withWarnings(warnings)}` : 'no'],
		['Tables', count(tables)],
		['Rows', count(rows)],
		['Size', size(bytes)],
		['Time taken', duration(startedAt, finishedAt)],
		...differences.map((difference) => ['Difference', difference]),
		...warningRows(warnings),
	]);
}
