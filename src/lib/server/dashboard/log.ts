import type { LogEntry, LogFilter } from '../../components/types.ts';
import { auditLogStart, type Operations } from '../operations/index.ts';
import { type Entry, readAuditLog } from '../operations/audit-log.ts';

/** Entries in one call of R2, and calls for one page. */
const PER_CALL = 1000;
const MAX_CALLS = 2;
/** Entries on a page of the audit log, and how many are searched at a time for those that fit a filter. */
const PER_PAGE = 50;
const PER_SEARCH = 200;
const MAX_SEARCHES = 5;

/** A part of the audit log, newest first. */
export interface LogPart {
	entries: LogEntry[];
	/** Where the next page starts; null at the end. */
	before: string | null;
	/** From when on nothing was left out, in milliseconds since 1970. */
	since: number;
}

/** The newest entries of the audit log, at most two calls' worth. Throws `storage_error` (500). */
export async function recentLog(
	operations: Operations,
): Promise<Pick<LogPart, 'entries' | 'since'>> {
	const start = auditLogStart(operations);
	const entries: Entry[] = [];
	let before: string | undefined;
	for (let calls = 0; calls < MAX_CALLS; calls++) {
		const page = await readAuditLog(operations.auditLog, {
			...{ before, limit: PER_CALL, since: start },
		});
		entries.push(...page.entries);
		if (page.before === null) return { entries, since: start };
		before = page.before;
	}
	return { entries, since: Date.parse(entries.at(-1)?.time ?? '') || start };
}

/** The entries about one database, and those that are about none. */
export function about(
	{ name }: Pick<Operations, 'name'>,
	entries: readonly LogEntry[],
): LogEntry[] {
	return entries.filter(({ database }) => database === undefined || database === name);
}

/**
 * A page of the entries that fit a filter. A rare kind may leave it short, or empty, with a next page: one
 * page costs at most {@link MAX_SEARCHES} calls of R2. Throws `storage_error` (500).
 */
export async function filteredLog(
	operations: Operations,
	filter: LogFilter,
	start: string | undefined,
): Promise<Omit<LogPart, 'since'>> {
	const fits = (entry: Entry) =>
		(filter.outcome === '' || entry.outcome === filter.outcome) &&
		(filter.operation === '' || entry.operation === filter.operation) &&
		(filter.caller === '' || entry.caller.kind === filter.caller);
	const isFiltered = Object.values(filter).some((value) => value !== '');
	const limit = isFiltered ? PER_SEARCH : PER_PAGE;
	const found: LogEntry[] = [];
	let before: string | undefined = start;
	for (let searches = 0; searches < MAX_SEARCHES; searches++) {
		const page = await readAuditLog(operations.auditLog, {
			...{ before, limit, since: auditLogStart(operations) },
		});
		found.push(...page.entries.filter(fits));
		if (page.before === null || found.length >= PER_PAGE)
			return { entries: found, before: page.before };
		before = page.before;
	}
	return { entries: found, before: before ?? null };
}
