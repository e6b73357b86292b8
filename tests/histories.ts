// Histories of backups for the tests of retention.
import type { Candidate } from '../src/lib/server/backup/keep/candidates.ts';
import type { Rules } from '../src/lib/server/backup/keep/policy.ts';

/** The hour at which these backups are made, if nothing else is said. */
const HOUR = 'T03:00:00.000Z';

/** A proven full backup; `time` is a date, or a date and a time in UTC. */
export function backup(time: string, changes: Partial<Candidate> = {}): Candidate {
	const startedAt = Date.parse(time.includes('T') ? time : `${time}${HOUR}`);
	return {
		...candidate(startedAt, changes.kind ?? 'full'),
		...{ provenAt: startedAt + 60_000, drilledAt: startedAt + 60_000 },
		...changes,
	};
}

/** A backup that started then, and of which nothing else is known but who signed it. */
export function candidate(startedAt: number, kind: Candidate['kind']): Candidate {
	return {
		name: `${kind}_backup_${new Date(startedAt).toISOString()}`,
		kind,
		startedAt,
		parent: null,
		trusted: true,
		...{ drilledAt: null, provenAt: null, damaged: false },
		...{ pinned: false, requested: false },
	};
}

/** The rules with all others off. */
export function rulesOf(rules: Partial<Rules>): Rules {
	const off = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: null };
	return { ...off, ...rules };
}

/** The dates from the first to the last, oldest first. */
export function everyDay(first: string, last: string): string[] {
	const dates: string[] = [];
	for (let time = Date.parse(first); time <= Date.parse(last); time += 86_400_000) {
		dates.push(new Date(time).toISOString().slice(0, 10));
	}
	return dates;
}
