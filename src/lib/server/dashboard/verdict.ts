import { ago, span } from '../../components/text.ts';
import type { Verdict, VerdictState } from '../../components/types.ts';
import { byUrgency } from '../../components/urgency.ts';
import { isHealthy, NO_WEBHOOK } from '../operations/health.ts';
import type { Look } from '../operations/looks.ts';

/** What of a look is known from a part of the backups too. */
export type KnownLook = Pick<Look, 'at' | 'backup' | 'provenBackup' | 'warnings'>;

/** What a verdict is made from. Times are in milliseconds since 1970. */
export interface VerdictFacts {
	/** What is known of the backups; null if nobody has looked yet. */
	look: KnownLook | null;
	/** When the newest proven backup was proven; null if that is unknown. */
	provenAt: number | null;
	/** Whether the newest backup failed its last verification or drill. */
	damaged: boolean;
	/** Since when backups fail, and the last error; null while they do not. */
	failing: { since: number; code: string } | null;
	/** Until when six-digit codes are locked out; null if they are not. */
	lockedUntil: number | null;
	/** A backup that is being made, and when its next step may be taken if it waits for that. */
	running: { resumesAt: number | null } | null;
	/** Whether alerts are sent anywhere. */
	hasWebhook: boolean;
	/** The allowed age of the newest backup, in milliseconds. */
	maxAgeMs: number;
	now: number;
}

/** The facts of a database at which somebody has looked. */
interface Seen extends VerdictFacts {
	look: KnownLook;
	healthy: boolean;
	/** Whether the next backup was due long ago, although none is overdue yet. */
	late: boolean;
}

/** The part of a verdict that its state decides. */
type Finding = Pick<Verdict, 'state' | 'sentence' | 'advice'>;

/** The part of the allowed age after which the next backup is late; it is due after half of it (due.ts). */
const LATE = 0.75;
/** No failure, but that `backup_recovered` has not reached its receiver yet (sent-alerts.ts). */
const RECOVERED = 'backup_recovered';

const NOT_SEEN: Verdict = {
	state: 'unproven',
	tone: 'bad',
	sentence: 'Not checked yet.',
	also: [],
	advice: 'Open the page of this database to look at its backups.',
};

/**
 * Whether you could restore today, in one sentence. The worst of all that applies wins, and the rest follows
 * in `also`. It is `good` or `notice` exactly when {@link isHealthy} holds. Pure.
 */
export function verdictOf(facts: VerdictFacts): Verdict {
	const { look, maxAgeMs, now } = facts;
	if (look === null || look.at === 0) return NOT_SEEN;
	const healthy = isHealthy(look, maxAgeMs, now);
	const failing = facts.failing?.code === RECOVERED ? null : facts.failing;
	const late = healthy && now - (look.backup ?? now) > LATE * maxAgeMs;
	const seen: Seen = { ...facts, failing, look, healthy, late };
	const finding = healthy ? healthyFinding(seen) : unhealthyFinding(seen);
	return { ...finding, tone: toneOf(seen, finding), also: alsoOf(seen, finding) };
}

/** The verdict of an app with several databases: the worst of theirs, which its sentence names. */
export function worstVerdict(all: readonly { name: string; verdict: Verdict }[]): Verdict {
	const [worst] = all.toSorted((a, b) => byUrgency(a.verdict, b.verdict));
	if (worst === undefined) return { ...NOT_SEEN, sentence: 'The app has no database.' };
	if (all.length === 1) return worst.verdict;
	const { verdict, name } = worst;
	const troubled = all.filter((one) => one.verdict.tone !== 'good').length;
	if (troubled === 0) {
		return { ...verdict, sentence: `All ${all.length} databases are proven.`, also: [] };
	}
	const need = troubled === 1 ? 'database needs' : 'databases need';
	const sentence = `${troubled} of ${all.length} ${need} attention. ${name}: ${verdict.sentence}`;
	return { ...verdict, sentence, also: [] };
}

function unhealthyFinding(facts: Seen): Finding {
	const { look, failing, maxAgeMs, now } = facts;
	if (look.backup === null) {
		const tries = failing ? ` Tries have been failing for ${span(now - failing.since)}.` : '';
		const sentence = `No backup yet.${tries}`;
		return { state: 'never', sentence, advice: 'Make the first backup now.' };
	}
	const isOverdue = now - look.backup > maxAgeMs;
	const age = `The newest backup is ${span(now - look.backup)} old`;
	if (failing) return failingFinding(facts, failing, isOverdue ? `${age}.` : unproven(facts));
	if (isOverdue) {
		return {
			state: 'overdue',
			sentence: `Overdue. ${age}; the limit is ${span(maxAgeMs)}.`,
			advice: 'Back up now, then find out why the schedule did not.',
		};
	}
	return {
		state: 'unproven',
		sentence: unproven(facts),
		advice: 'Run a drill now: a backup is proven only once it has been restored.',
	};
}

/** Why none of the recent backups counts as proven. */
function unproven({ look, damaged, maxAgeMs, now }: Seen): string {
	const { provenBackup } = look;
	if (damaged) return 'The newest backup is damaged, and no recent one is proven.';
	if (provenBackup === null) return 'Never proven: no backup has been verified or drilled.';
	const age = span(now - provenBackup);
	return `Unproven. The newest proven backup is ${age} old; the limit is ${span(maxAgeMs)}.`;
}

function healthyFinding(facts: Seen): Finding {
	const { look, failing, lockedUntil, damaged, now } = facts;
	const proven = `The newest proven backup is ${span(now - (look.provenBackup ?? now))} old.`;
	if (failing) return failingFinding(facts, failing, proven);
	if (damaged) {
		return {
			state: 'unproven',
			sentence: `The newest backup is damaged. ${proven}`,
			advice: 'Make a new backup now, then find out what damaged this one.',
		};
	}
	if (look.backup !== look.provenBackup) {
		return {
			state: 'unproven',
			sentence: `Backed up ${ago(look.backup ?? now, now)}, not proven yet. ${proven}`,
			advice: 'Drill the newest backup.',
		};
	}
	if (lockedUntil !== null) {
		return {
			state: 'locked',
			sentence: `${provenSince(facts)} Six-digit codes are locked out.`,
			advice: 'See who sent wrong codes, then lift the lockout.',
		};
	}
	return { state: 'proven', sentence: `${provenSince(facts)} ${next(facts)}`, advice: null };
}

function failingFinding(
	{ now }: Seen,
	{ since, code }: NonNullable<VerdictFacts['failing']>,
	consequence: string,
): Finding {
	return {
		state: 'failing',
		sentence: `Backups have been failing for ${span(now - since)}. ${consequence}`,
		advice: `The last error was ${code}. The audit log has the details, and docs/errors.md says what to do.`,
	};
}

function provenSince({ look, provenAt, now }: Seen): string {
	return `Proven ${ago(provenAt ?? look.provenBackup ?? now, now)}.`;
}

function next({ look, running, maxAgeMs, now }: Seen): string {
	if (running) return 'The next backup is being made.';
	const due = (look.backup ?? now) + maxAgeMs / 2;
	return due > now ? `Next backup due in ${span(due - now)}.` : 'The next backup is due now.';
}

function toneOf({ healthy, late, look }: Seen, { state }: Finding): Verdict['tone'] {
	if (!healthy) return 'bad';
	return state === 'proven' && !late && look.warnings.length === 0 ? 'good' : 'notice';
}

function alsoOf(facts: Seen, { state }: Finding): string[] {
	const { look, damaged, late, lockedUntil, hasWebhook, maxAgeMs, now } = facts;
	const overdueIn = (look.backup ?? now) + maxAgeMs - now;
	return [
		...(damaged && state !== 'unproven' ? ['The newest backup is damaged.'] : []),
		...(late ? [`The next backup is late, and overdue in ${span(overdueIn)}.`] : []),
		...look.warnings,
		...(lockedUntil === null ? [] : [lockedOut(lockedUntil - now)]),
		...runningSentences(facts, state),
		...(hasWebhook ? [] : [NO_WEBHOOK]), // a recommended step, about which no verdict changes
	];
}

function lockedOut(milliseconds: number): string {
	return `Six-digit codes are locked out for another ${span(milliseconds)}, after too many wrong ones.`;
}

function runningSentences({ running, now }: Seen, state: VerdictState): string[] {
	if (running === null) return [];
	const wait = (running.resumesAt ?? now) - now;
	if (wait > 0) return [`A backup waits for its next step, which may begin in ${span(wait)}.`];
	return state === 'proven' ? [] : ['A backup is being made.'];
}
