import * as v from 'valibot';
import type { LockoutFacts, LogEntry, LogFilter } from '../../components/types.ts';
import { MAX_WRONG, readLockout } from '../access/lockout.ts';
import { accessSettings, lockoutScope } from '../access/settings.ts';
import { readQuery } from '../http/input.ts';
import { AuditLogCursor } from '../operations/audit-log.ts';
import { operationsOf } from '../operations/index.ts';
import { filteredLog } from './log.ts';
import { type Common, commonOf, type Visit } from './visit.ts';

/** The operations that one can filter by, as the audit log names them. */
const OPERATIONS = [
	...['backup', 'resume', 'backup_all', 'resume_all', 'list', 'fetch', 'verify', 'drill', 'proof'],
	...['pin', 'unpin', 'delete', 'mark', 'unmark', 'remove', 'prune', 'prune_dry_run'],
	...['journal', 'lockout', 'lift_lock', 'alert', 'ping'],
];

const Query = v.object({
	outcome: v.optional(v.picklist(['', 'done', 'refused', 'failed']), ''),
	operation: v.optional(v.pipe(v.string(), v.regex(/^\w{0,40}$/)), ''),
	caller: v.optional(v.picklist(['', 'stranger', 'code', 'token', 'administrator', 'app']), ''),
	before: v.optional(AuditLogCursor),
});

/** A page of the audit log. */
export interface LogPage extends Common {
	entries: LogEntry[];
	filter: LogFilter;
	operations: string[];
	/** Where the next page starts, as `before`; null at the end. */
	before: string | null;
}

/** Reads a page of the audit log. Throws `query_invalid` (400), `storage_error` (500). */
export async function logPage(visit: Visit): Promise<LogPage> {
	const { before: start, ...filter } = readQuery(visit.url, Query);
	const { entries, before } = await filteredLog(operationsOf(visit.env, visit.url), filter, start);
	return { entries, filter, before, operations: OPERATIONS, ...commonOf(visit) };
}

/** The lockout of six-digit codes. */
export interface AccessPage extends Common {
	lockout: LockoutFacts;
}

/** Reads the lockout. Throws `storage_error` (500), and what settings throw. */
export async function accessPage(visit: Visit): Promise<AccessPage> {
	const { env, now } = visit;
	const { bucket, ...settings } = accessSettings(env);
	const { wrong, lockedUntil } = await readLockout(bucket, lockoutScope(settings), now);
	const time = (at: number) => new Date(at).toISOString();
	return {
		lockout: {
			wrong: wrong.map(({ at, network }) => ({ at: time(at), network })),
			lockedUntil: lockedUntil === null ? null : time(lockedUntil),
			maxWrong: MAX_WRONG,
			isKeyed: settings.apiKey !== null,
		},
		...commonOf(visit),
	};
}
