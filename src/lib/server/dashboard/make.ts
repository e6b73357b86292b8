import { countRun } from '../access/session-runs.ts';
import type { BackupProgress, BackupStep } from '../backup/engine.ts';
import { summarize } from '../backup/format/manifest.ts';
import { currentTicket, resumeBackup, startBackup } from '../backup/index.ts';
import { bucket } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { type Done, workResponse } from '../http/progress.ts';
import { factsOf } from '../operations/audit-log.ts';
import { rememberBackups } from '../operations/looks.ts';
import { watchBackup } from '../operations/watch.ts';
import { deskOf, forgetList } from './facts.ts';
import { recorded } from './recorded.ts';
import type { Visit } from './visit.ts';

/** How a step of a backup ended. */
export interface Made {
	name: string;
	/** Whether the backup is complete. */
	isDone: boolean;
	/** Seconds to wait before the next step, if any. */
	retryAfter: number;
}

type Report = (progress: BackupProgress) => void;

/**
 * Starts a backup, or takes the next step of the one that waits. The ticket for that step is made here from the
 * lock, and used at once: it never leaves the server, so it is in no page, address or log.
 *
 * Throws `too_many_runs` (429), `nothing_to_continue`, `backup_running` (409), and what the engine throws.
 */
export function makeStep(
	visit: Visit,
	continues: boolean,
	report: Report = () => {},
): Promise<Made> {
	const operation = continues ? 'resume' : 'backup';
	return recorded(visit, operation, async (deed) => {
		const { engine, operations } = deskOf(visit);
		const ticket = continues ? await currentTicket(engine) : null;
		if (continues && ticket === null) throw nothingToContinue();
		if (!continues) await countRun(bucket(visit.env), visit.now);
		deed.begin();
		const step = await watchBackup(operations, report, ({ report, prune }) => {
			const afterwards = prune(engine);
			return ticket === null
				? startBackup(engine, report, { afterwards })
				: resumeBackup(engine, ticket, report, { afterwards });
		});
		forgetList(engine);
		if (!('manifest' in step)) return madeBy(step);
		const backup = summarize(step.manifest);
		deed.begin(factsOf(backup));
		const made = { database: operations.name, backup };
		if (operations.isOneOfSeveral) await rememberBackups(operations, [made]);
		return madeBy(step);
	});
}

/**
 * The same as an answer of JSON lines with its progress, for a page with script. The last line is `done` with
 * {@link Made}, or `error`. Throws nothing but what comes before the first line.
 */
export function streamStep(visit: Visit, continues: boolean): Promise<Response> {
	const work = async (report: (line: object) => void): Promise<Done> => {
		const made = await makeStep(visit, continues, report);
		return { status: made.isDone ? 201 : 202, result: { made } };
	};
	const accepts = new Request(visit.url, { headers: { Accept: 'application/x-ndjson' } });
	return workResponse(accepts, work);
}

function madeBy(step: BackupStep): Made {
	if ('manifest' in step) return { name: step.manifest.name, isDone: true, retryAfter: 0 };
	const { progress, retryAfter = 0 } = step;
	return { name: progress.name, isDone: false, retryAfter };
}

function nothingToContinue(): LifeboatError {
	return new LifeboatError('No backup waits for its next step.', {
		code: 'nothing_to_continue',
		status: 409,
		hint: 'It is complete, or was given up: look at the list. Else start a new one.',
	});
}
