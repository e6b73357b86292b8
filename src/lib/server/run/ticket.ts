import * as v from 'valibot';
import type { BackupKey } from '../backup/format/signature.ts';
import { openTicket, signTicket, TICKET_MS } from '../backup/make/job.ts';
import { type RunState, RunStateSchema } from './state.ts';

const KIND = {
	what: 'lifeboat run ticket',
	schema: v.object({ run: RunStateSchema }),
};

/** The state of a run as a ticket for its next call, which waits that many seconds. */
export function printRun(
	key: BackupKey,
	run: RunState,
	{ now, retryAfter = 0 }: { now: number; retryAfter?: number | undefined },
): Promise<string> {
	return signTicket(key, KIND.what, { run }, now + retryAfter * 1000 + TICKET_MS);
}

/** Reads it. Throws `ticket_invalid` or `ticket_expired` (403). */
export async function readRun(
	keys: readonly BackupKey[],
	ticket: string,
	now: number,
): Promise<RunState> {
	return (await openTicket(keys, KIND, ticket, now)).run;
}
