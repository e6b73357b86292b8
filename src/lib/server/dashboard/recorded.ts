import { toLifeboatError } from '../errors.ts';
import type { Entry } from '../operations/audit-log.ts';
import { note, noteFirst, type Visit } from './visit.ts';

/** What an entry of the audit log says about the result of some work. */
export type Facts = Pick<Entry, 'backup' | 'parent' | 'rows' | 'bytes' | 'waitedMs' | 'warnings'>;

/** How work tells the audit log what it does. */
export interface Deed {
	/** Nothing refuses it any more; called again with what came of it. */
	begin(facts?: Facts): void;
	/**
	 * The same, for what must not happen unless the audit log has it: writes the entry now, and none at the end
	 * but for a failure. Throws `storage_error` (500).
	 */
	record(facts?: Facts): Promise<void>;
}

/**
 * Does some work for a person, and records how it ended: refused before it began, failed after that, or done.
 * Goes on when the person has left. Throws what the work throws.
 */
export function recorded<T>(
	visit: Visit,
	operation: string,
	work: (deed: Deed) => Promise<T>,
): Promise<T> {
	const running = run(visit, operation, work);
	visit.keepAlive(running.catch(() => {})); // the person gets the error
	return running;
}

async function run<T>(
	visit: Visit,
	operation: string,
	work: (deed: Deed) => Promise<T>,
): Promise<T> {
	let facts: Facts | undefined;
	let isRecorded = false;
	const startedAt = Date.now();
	const end = (outcome: Entry['outcome'], status: number, code?: string) =>
		note(visit, {
			...{ operation, outcome, status, durationMs: Date.now() - startedAt, ...facts },
			...(code !== undefined && { code }),
		});
	const begin = (known: Facts = {}) => void (facts = known);
	const record = async (known: Facts = {}) => {
		await noteFirst(visit, { operation, outcome: 'done', ...known });
		facts = known;
		isRecorded = true;
	};
	try {
		const result = await work({ begin, record });
		if (!isRecorded) await end('done', 200);
		return result;
	} catch (error) {
		const { status, code } = toLifeboatError(error);
		await end(facts === undefined && status < 500 ? 'refused' : 'failed', status, code);
		throw error;
	}
}
