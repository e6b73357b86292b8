import type {
	BackupRow,
	Day,
	Holdings,
	LogEntry,
	Measured,
	PlannedRow,
	Run,
	Verdict,
} from '../../components/types.ts';
import type { ListedBackup } from '../backup/format/manifest.ts';
import { startOf } from '../backup/format/names.ts';
import { type PlannedBackup, plannedBackups } from '../backup/keep/outlook.ts';
import { type Policy, printDuration } from '../backup/keep/policy.ts';
import { placeOf } from '../environment.ts';
import { isProven } from '../operations/health.ts';
import { daysOf } from './days.ts';
import type { Facts } from './facts.ts';
import { verdictOf } from './verdict.ts';
import type { Visit } from './visit.ts';

// What was read, as the components show it.

/** Bars on a page. */
const BARS = 60;

/** Whether one could restore today. */
export function showVerdict(facts: Facts): Verdict {
	const { look, newest, backups, failing, lockedUntil, running, operations, now } = facts;
	const provenAt = backups.find(({ startedAt }) => Date.parse(startedAt) === look.provenBackup);
	const proofs = [provenAt?.verified, provenAt?.drilled].flatMap((proof) => (proof ? [proof] : []));
	const times = proofs.map(({ at }) => Date.parse(at));
	const verdict = verdictOf({
		look,
		provenAt: times.length > 0 ? Math.max(...times) : null,
		damaged: newest?.verified?.proven === false || newest?.drilled?.proven === false,
		...{ failing, lockedUntil, now },
		running: running && { resumesAt: running.resumesAt },
		hasWebhook: operations.settings.webhook !== null,
		maxAgeMs: operations.settings.maxAgeMs,
	});
	const { pinsError } = facts;
	if (pinsError === null) return verdict;
	return { ...verdict, also: [...verdict.also, `${pinsError.message} ${pinsError.hint}`] };
}

/** What is kept, and where. */
export function showHoldings(facts: Facts, { env }: Visit): Holdings {
	const { backups, older, view, engine, operations } = facts;
	const { prefix, bindings } = placeOf(env);
	const names = new Set(backups.map(({ name }) => name));
	const isThere = (name: string) => names.has(name) || (older && startOf(name) < older.from);
	const held = (kept: object) => Object.keys(kept).filter(isThere).length;
	const oldest = older?.oldest ?? backups.at(-1)?.name;
	return {
		backups: backups.length + (older?.backups ?? 0),
		bytes: backups.reduce((sum, { bytes }) => sum + bytes, older?.bytes ?? 0),
		oldest: oldest === undefined ? null : new Date(startOf(oldest)).toISOString(),
		policy: printPolicy(operations.policy()),
		pinned: held(view.pins),
		marked: held(view.marks),
		bucket: bindings.MY_BUCKET,
		prefix,
		recipients: [...engine.encoding.recipients],
	};
}

/** The policy in words, such as `7 daily, 4 weekly, 12 monthly`; null if none is set. */
export function printPolicy({ rules }: Policy): string | null {
	if (rules === null) return null;
	const { within, ...counts } = rules;
	const words = Object.entries(counts).flatMap(([rule, count]) =>
		count > 0 ? [rule === 'last' ? `the last ${count}` : `${count} ${rule}`] : [],
	);
	return [...words, ...(within ? [`all within ${printDuration(within)}`] : [])].join(', ');
}

/** Some backups as rows of a list. */
export function showRows({ view }: Pick<Facts, 'view'>, backups: ListedBackup[]): BackupRow[] {
	const planned = new Map(plannedBackups(view).map((one) => [one.name, one]));
	return backups.map((backup) => showRow(backup, planned.get(backup.name)));
}

function showRow(backup: ListedBackup, plan: PlannedBackup | undefined): BackupRow {
	const { name, kind, startedAt, bytes, sqlBytes, rows, consistency, warnings } = backup;
	const { verified, drilled, signed, files, problem = null } = backup;
	return {
		...{ name, kind, startedAt, bytes, sqlBytes, rows, consistency, warnings },
		...{ verified, drilled, signed, problem },
		encrypted: files.some((file) => file.endsWith('.age')),
		reasons: plan?.keep ? plan.reasons : [],
		pin: plan?.pin ?? null,
		mark: plan?.mark ?? null,
	};
}

/** A backup in the plan of retention. */
export function showPlanned(planned: PlannedBackup): PlannedRow {
	const { name, kind, startedAt, bytes, keep, reasons, pin, mark, action } = planned;
	return { name, kind, startedAt, bytes, keep, reasons, pin, mark, action };
}

/** The days of the strip, from what was listed, the audit log since some time, and what is remembered. */
export function showDays(facts: Facts, log: LogEntry[], logSince: number): Day[] {
	const { backups, older, running, operations, now } = facts;
	return daysOf({
		backups: backups.map((backup) => ({
			name: backup.name,
			warnings: backup.warnings,
			proven: isProven(backup),
			damaged: backup.verified?.proven === false || backup.drilled?.proven === false,
		})),
		...{ log, logSince, now },
		remembered: older?.days ?? [],
		runningSince: running?.startedAt ?? null,
		maxAgeMs: operations.settings.maxAgeMs,
	});
}

/** The newest backups as bars, the oldest first. */
export function showBars({ backups }: Facts): Measured[] {
	return backups
		.slice(0, BARS)
		.toReversed()
		.map(({ startedAt, finishedAt, kind, bytes, rows }) => ({
			...{ at: startedAt, kind, bytes, rows },
			milliseconds: Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)),
		}));
}

/** The backup that is being made; null if there is none. */
export function showRun({ running, newest, now }: Facts): Run | null {
	if (running === null) return null;
	const { name, startedAt, resumesAt, step, attempt, tables, rows, sqlBytes, table } = running;
	return {
		...{ name, step, attempt, tables, rows, sqlBytes, table, error: null },
		startedAt: new Date(startedAt).toISOString(),
		state: resumesAt === null ? 'running' : 'waiting',
		resumesAt: resumesAt === null ? null : new Date(Math.max(resumesAt, now)).toISOString(),
		expected: showExpected({ newest }),
	};
}

/** What a new backup is likely to have: as much as the newest one. */
export function showExpected({ newest }: Pick<Facts, 'newest'>): Run['expected'] {
	if (newest === undefined) return null;
	const { tables, rows, sqlBytes } = newest;
	return { tables, rows, sqlBytes };
}
