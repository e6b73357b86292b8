import type {
	BackupRow,
	DatabaseRow,
	Day,
	FirstRunStep,
	Holdings,
	Measured,
	PrunePlan,
	Run,
	Verdict,
} from '../../components/types.ts';
import { plannedBackups } from '../backup/keep/outlook.ts';
import { placeOf } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { type Facts, readFacts } from './facts.ts';
import { firstRunOf, isSetUp } from './first-run.ts';
import { about, recentLog } from './log.ts';
import { rememberOlder } from './older.ts';
import {
	showBars,
	showDays,
	showHoldings,
	showPlanned,
	showRows,
	showRun,
	showVerdict,
} from './show.ts';
import { overview } from './overview.ts';
import { type Common, commonOf, type Visit } from './visit.ts';

/** Backups on a page of the list, and in a plan: every row is some 700 bytes of HTML. */
const PER_PAGE = 20;
const PER_PLAN = 100;

/** The dashboard's first page: the state of one database, or an overview of several. */
export interface StatusPage extends Common {
	/** Of the database, or the worst of all; null while settings are missing. */
	verdict: Verdict | null;
	/** All databases, the worst first; empty unless this is the overview. */
	databases: DatabaseRow[];
	/** Null while settings are missing, and in the overview. */
	shown: Shown | null;
	firstRun: FirstRunStep[];
	/** Whether nothing that a proven backup needs is missing. */
	isSetUp: boolean;
}

/** What is shown of one database. */
export interface Shown {
	holdings: Holdings;
	days: Day[];
	bars: Measured[];
	backups: BackupRow[];
	/** Where the next page of the list starts; null at the end. */
	next: string | null;
	/** Whether this is not the first page of the list. */
	isContinued: boolean;
	run: Run | null;
}

/** What retention would do now, with at most {@link PER_PLAN} backups. */
export interface RetentionPage extends Common {
	plan: PrunePlan;
	policy: string | null;
	/** Backups of the plan that are not shown, all of which stay. */
	hidden: number;
}

/** Reads the first page. Throws `cursor_unknown` (400), `storage_error` (500), and what settings throw. */
export async function statusPage(visit: Visit): Promise<StatusPage> {
	const { env, url } = visit;
	const { databases } = placeOf(env);
	const common = { ...commonOf(visit), databases: [] };
	const settings = firstRunOf(env, { backups: [], log: [] });
	const isMissing = settings.some(
		({ id, state }) => (id === 'secret' || id === 'bucket') && state !== 'done',
	);
	if (isMissing)
		return { ...common, verdict: null, shown: null, firstRun: settings, isSetUp: false };
	if (databases.length > 1 && !url.searchParams.has('database')) {
		return { ...common, ...(await overview(visit)), shown: null, firstRun: [], isSetUp: true };
	}
	const isFirst = !url.searchParams.has('after');
	const facts = await readFacts(visit, isFirst ? 'first' : 'all');
	const { entries, since } = await recentLog(facts.operations);
	const log = about(facts.operations, entries);
	const days = showDays(facts, log, since);
	if (facts.isLong) visit.keepAlive(rememberOlder(facts, days));
	const firstRun = firstRunOf(env, { backups: facts.backups, log });
	return {
		...common,
		verdict: showVerdict(facts),
		shown: { ...shownOf(facts, visit), days },
		firstRun,
		isSetUp: isSetUp(firstRun),
	};
}

/** What retention would do now. Throws the same. */
export async function retentionPage(visit: Visit): Promise<RetentionPage> {
	const facts = await readFacts(visit, 'all');
	if (facts.pinsError) throw facts.pinsError;
	const { view } = facts;
	const all = plannedBackups(view);
	const isOfNote = ({ action, pin, mark }: (typeof all)[number]) =>
		action !== 'keep' || pin !== null || mark !== null;
	const first = [...all.filter(isOfNote), ...all.filter((one) => !isOfNote(one))];
	const names = new Set(first.slice(0, PER_PLAN).map(({ name }) => name));
	return {
		...commonOf(visit),
		plan: {
			blocked: view.plan.blocked,
			backups: all.filter(({ name }) => names.has(name)).map(showPlanned),
			later: all.filter(({ action }) => action === 'later').length,
		},
		policy: showHoldings(facts, visit).policy,
		hidden: all.length - names.size,
	};
}

function shownOf(facts: Facts, visit: Visit): Omit<Shown, 'days'> {
	const { backups } = facts;
	const after = visit.url.searchParams.get('after');
	const start = after === null ? 0 : backups.findIndex(({ name }) => name === after) + 1;
	if (after !== null && start === 0) throw unknownCursor();
	const rows = backups.slice(start, start + PER_PAGE);
	const hasMore = start + PER_PAGE < backups.length; // a window holds more than a page
	return {
		holdings: showHoldings(facts, visit),
		bars: showBars(facts),
		backups: showRows(facts, rows),
		next: hasMore ? (rows.at(-1)?.name ?? null) : null,
		isContinued: after !== null,
		run: showRun(facts),
	};
}

function unknownCursor(): LifeboatError {
	return new LifeboatError('There is no such backup any more.', {
		code: 'cursor_unknown',
		status: 400,
		hint: 'Start with the newest backup again.',
	});
}
