/*
 * What the components of the dashboard show: plain data, as JSON carries it from the server to the page.
 * Names, notes, errors and warnings are as they were found; the components make them harmless.
 */

/** A time in UTC, as `toISOString` prints it. */
export type Moment = string;

/** `good` and `notice` mean healthy, as `GET /api/backup/health` has it; `bad` means not healthy. */
export type Tone = 'good' | 'notice' | 'bad';

/** What one sentence can say of the backups of a database. */
export type VerdictState = 'proven' | 'unproven' | 'overdue' | 'failing' | 'locked' | 'never';

/** Whether you could restore today. */
export interface Verdict {
	state: VerdictState;
	tone: Tone;
	/** For people, such as `Proven 5 hours ago. Next backup due in 19 hours.` */
	sentence: string;
	/** Sentences about what else is wrong or going on, the worst first. */
	also: string[];
	/** What to do now; null if nothing. */
	advice: string | null;
}

/** What is kept, and where. */
export interface Holdings {
	/** Backups in the bucket, and their stored bytes. */
	backups: number;
	bytes: number;
	oldest: Moment | null;
	/** The retention policy in words, such as `7 daily, 4 weekly, 12 monthly`; null if none is set. */
	policy: string | null;
	pinned: number;
	/** Backups that are marked for removal. */
	marked: number;
	/** The binding of the bucket, and what the keys in it begin with. */
	bucket: string;
	prefix: string;
	/** The age public keys that open the backups; none if they are not encrypted. */
	recipients: string[];
}

/** How a day went. Only `failed` and `overdue` alarm. */
export type DayState =
	'proven' | 'backed-up' | 'warned' | 'failed' | 'running' | 'overdue' | 'idle' | 'before';

/** A day in UTC. */
export interface Day {
	/** `2026-11-27`. */
	date: string;
	state: DayState;
	/** Complete backups that were started, and how many of them are proven. */
	backups: number;
	proven: number;
	/** Failed calls for a backup, and the last one's code. */
	failures: number;
	code: string | null;
}

/** What bars show of a backup. */
export interface Measured {
	at: Moment;
	kind: BackupKind;
	/** Stored bytes of its own volumes. */
	bytes: number;
	rows: number;
	/** How long it took to make. */
	milliseconds: number;
}

/** What bars count. */
export type Measure = 'bytes' | 'rows' | 'milliseconds';

export type BackupKind = 'full' | 'incremental';
export type Consistency = 'atomic' | 'fenced' | 'staged';

/** The result of the last verification or drill. */
export interface ProofResult {
	at: Moment;
	proven: boolean;
	scope: 'contents' | 'stored';
}

/** Why a backup stays or goes: a stable code, and a phrase such as `daily 3 of 7 (2026-11-22)`. */
export interface Reason {
	code: string;
	text: string;
}

/** A backup that no rule removes, and why, in a person's words. */
export interface Pin {
	at: Moment;
	note: string;
}

/** That a backup is about to be removed. */
export interface Mark {
	at: Moment;
	by: 'rule' | 'request';
	removableAt: Moment;
	/** Whether a lock rule of the bucket kept it when it was last tried. */
	locked: boolean;
	removing: boolean;
}

/** A backup in a list. */
export interface BackupRow {
	name: string;
	kind: BackupKind;
	startedAt: Moment;
	/** Stored bytes of its own volumes, and bytes of SQL of the whole. */
	bytes: number;
	sqlBytes: number;
	rows: number;
	consistency: Consistency;
	encrypted: boolean;
	/** The number of its warnings. */
	warnings: number;
	verified: ProofResult | null;
	drilled: ProofResult | null;
	/** Whether the app made it; null if that was not checked. */
	signed: boolean | null;
	/** That what it rests on is missing or damaged, in a sentence; null if it is not. */
	problem: string | null;
	/** Why retention keeps it. */
	reasons: Reason[];
	pin: Pin | null;
	mark: Mark | null;
}

/** How a running or finished backup is doing. */
export interface Run {
	name: string;
	startedAt: Moment;
	/** `waiting`: until the next call, as the plan wants it. */
	state: 'running' | 'waiting' | 'done' | 'failed';
	/** When the next step may be taken, while it is `waiting`. */
	resumesAt: Moment | null;
	/** Steps that were begun, and dumps that were begun because others wrote. */
	step: number;
	attempt: number;
	/** What is done so far. */
	tables: number;
	rows: number;
	sqlBytes: number;
	/** The table that is being read. */
	table: string | null;
	/** What the backup before had; null if there is none. */
	expected: { tables: number; rows: number; sqlBytes: number } | null;
	error: Failure | null;
}

/** An error as the API words it. */
export interface Failure {
	error: string;
	code: string;
	hint: string;
}

export type Outcome = 'done' | 'refused' | 'failed';
export type CallerKind = 'stranger' | 'code' | 'token' | 'administrator' | 'app';

/** An entry of the audit log. */
export interface LogEntry {
	time: Moment;
	operation: string;
	outcome: Outcome;
	code?: string | undefined;
	status?: number | undefined;
	durationMs?: number | undefined;
	database?: string | undefined;
	backup?: string | undefined;
	rows?: number | undefined;
	bytes?: number | undefined;
	waitedMs?: number | undefined;
	warnings?: number | undefined;
	/** Whether the code was made with TOTP_SECRET_PREVIOUS. */
	previousSecret?: boolean | undefined;
	caller: { kind: CallerKind; address: string; account?: string | undefined };
}

/** What the audit log is filtered by; an empty text for all. */
export interface LogFilter {
	outcome: Outcome | '';
	operation: string;
	caller: CallerKind | '';
}

/** The steps of a first run, in their order. */
export type FirstRunId =
	'secret' | 'bucket' | 'key' | 'encryption' | 'backup' | 'drill' | 'schedule' | 'alerts';

/** A step of the first run. The first one that is missing is `next`. */
export interface FirstRunStep {
	id: FirstRunId;
	state: 'done' | 'next' | 'missing';
	/** Not needed for a first backup that is proven. */
	optional: boolean;
	/** What there is, or what is missing, in one sentence. */
	sentence: string;
	/** The command to run; null if there is none. */
	command: string | null;
}

/** A database in the overview. */
export interface DatabaseRow {
	name: string;
	verdict: Verdict;
	newest: Moment | null;
	/** Null where they were not counted for this page. */
	backups: number | null;
	bytes: number | null;
}

/** What a run of retention does with a backup. */
export type PruneAction = 'keep' | 'leave' | 'unmark' | 'mark' | 'wait' | 'remove' | 'later';

/** A backup in the plan of retention. */
export interface PlannedRow {
	name: string;
	kind: BackupKind;
	startedAt: Moment;
	bytes: number;
	keep: boolean;
	reasons: Reason[];
	pin: Pin | null;
	mark: Mark | null;
	action: PruneAction;
}

/** What retention would do now. */
export interface PrunePlan {
	/** Why nothing is removed now; null if removals may go on. */
	blocked: Reason | null;
	backups: PlannedRow[];
	/** How many are left to later runs. */
	later: number;
}

/** Wrong six-digit codes, and whether they lock the others out. */
export interface LockoutFacts {
	/** Oldest first. */
	wrong: { at: Moment; network: string }[];
	lockedUntil: Moment | null;
	maxWrong: number;
	/** Whether only callers with the API key can send a code. */
	isKeyed: boolean;
}
