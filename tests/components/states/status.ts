import type { ComponentProps } from 'svelte';
import type Bars from '../../../src/lib/components/Bars.svelte';
import type DayShape from '../../../src/lib/components/DayShape.svelte';
import type DayStrip from '../../../src/lib/components/DayStrip.svelte';
import type FirstRun from '../../../src/lib/components/FirstRun.svelte';
import type Overview from '../../../src/lib/components/Overview.svelte';
import type Shape from '../../../src/lib/components/Shape.svelte';
import type Verdict from '../../../src/lib/components/Verdict.svelte';
import { DAY_WORDS } from '../../../src/lib/components/strip.ts';
import type {
	Day,
	DayState,
	FirstRunId,
	FirstRunStep,
	Holdings,
	Measured,
	Verdict as Said,
	VerdictState,
} from '../../../src/lib/components/types.ts';
import { daysAgo, harmful, hrefOf, RECIPIENTS, type States } from './state.ts';

// What the first page shows, the run aside.

const FINE = { also: [], advice: null };
const PROVEN: Said = {
	...{ state: 'proven', tone: 'good', ...FINE },
	sentence: 'Proven 5 hours ago. Next backup due in 19 hours.',
};
const ALSO = ['Backups have been failing for 2 days: database_error.', 'A backup is running.'];

const SAID: Record<VerdictState, Said> = {
	proven: PROVEN,
	unproven: {
		...{ state: 'unproven', tone: 'notice', also: [] },
		sentence: 'The newest backup is damaged. The newest proven backup is 2 days old.',
		advice: 'Make another one.',
	},
	overdue: {
		...{ state: 'overdue', tone: 'bad', also: ALSO },
		sentence: 'Overdue. The newest backup is 5 days old; the limit is 2 days.',
		advice: 'Back up now, then find out why the schedule did not.',
	},
	failing: {
		...{ state: 'failing', tone: 'bad', also: ALSO.slice(1) },
		sentence: 'Backups have been failing for 2 days: database_error.',
		advice: 'Read its hint in the audit log.',
	},
	locked: {
		...{ state: 'locked', tone: 'notice', also: [], advice: null },
		sentence: 'Proven 5 hours ago, but six-digit codes are locked out for 3 hours.',
	},
	never: {
		...{ state: 'never', tone: 'bad', also: [] },
		sentence: 'No backup yet.',
		advice: 'Make the first backup now.',
	},
};

const HOLDINGS: Holdings = {
	...{ backups: 23, bytes: 18_400_000, oldest: daysAgo(400), pinned: 2, marked: 1 },
	...{ policy: '7 daily, 4 weekly, 12 monthly', bucket: 'MY_BUCKET', prefix: 'shop/' },
	recipients: RECIPIENTS,
};
const NOTHING: Holdings = {
	...{ backups: 1, bytes: 1, oldest: null, pinned: 0, marked: 0 },
	...{ policy: null, bucket: 'MY_BUCKET', prefix: '', recipients: [] },
};

export const verdict: States<ComponentProps<typeof Verdict>> = {
	...Object.fromEntries(Object.entries(SAID).map(([state, said]) => [state, { verdict: said }])),
	'with holdings': { verdict: PROVEN, holdings: HOLDINGS, level: 1 },
	'with few holdings': { verdict: SAID.locked, holdings: NOTHING },
	...harmful((text) => ({
		verdict: { ...SAID.overdue, sentence: text, also: [text, text], advice: text },
		holdings: { ...HOLDINGS, recipients: [text] },
	})),
};

export const overview: States<ComponentProps<typeof Overview>> = {
	none: { databases: [], hrefOf },
	'one of each verdict': {
		databases: Object.entries(SAID).map(([name, said], index) => ({
			...{ name, verdict: said, newest: name === 'never' ? null : daysAgo(index) },
			...{ backups: index === 0 ? null : index, bytes: index === 0 ? null : 10 ** (3 * index) },
		})),
		hrefOf,
	},
	...harmful((text) => ({
		databases: [
			{ name: text, verdict: { ...PROVEN, sentence: text }, newest: text, backups: 1, bytes: 1 },
		],
		hrefOf,
	})),
};

const STATES = Object.keys(DAY_WORDS) as DayState[];

/** So many days, the last one today, in these states by turns. */
function days(count: number, states: DayState[]): Day[] {
	return Array.from({ length: count }, (_, index) => {
		const state = states[index % states.length] ?? 'idle';
		const isFailed = state === 'failed';
		return {
			...{ date: daysAgo(count - 1 - index).slice(0, 10), state },
			...{ backups: state === 'proven' ? 2 : 0, proven: state === 'proven' ? 2 : 0 },
			...{ failures: isFailed ? 3 : 0, code: isFailed ? 'database_unavailable' : null },
		};
	});
}

export const dayStrip: States<ComponentProps<typeof DayStrip>> = {
	'before the first day': { days: days(90, ['before']) },
	young: { days: [...days(90, ['before']).slice(0, 88), ...days(2, ['backed-up', 'proven'])] },
	'one day': { days: days(1, ['proven']) },
	'each kind of day': { days: days(STATES.length, STATES) },
	'all well': { days: days(90, ['proven']) },
	'all bad': { days: days(45, ['failed', 'overdue']) },
	...harmful((text) => ({ days: days(2, ['failed']).map((day) => ({ ...day, code: text })) })),
};

export const dayShape: States<ComponentProps<typeof DayShape>> = Object.fromEntries(
	STATES.map((state) => [state, { of: state, title: `27 Nov 2026: ${DAY_WORDS[state]}.` }]),
);

const SHAPES = ['good', 'notice', 'bad', 'busy', 'none'] as const;
export const shape: States<ComponentProps<typeof Shape>> = Object.fromEntries([
	...SHAPES.map((of) => [of, { of }]),
	['large', { of: 'good', size: 40 }],
]);

function measured(count: number, kinds: Measured['kind'][]): Measured[] {
	return Array.from({ length: count }, (_, index) => ({
		...{ at: daysAgo(count - index), kind: kinds[index % kinds.length] ?? 'full' },
		...{ bytes: 1_000_000 + 70_000 * index, rows: 12_000 + 40 * index, milliseconds: 800 + index },
	}));
}

export const bars: States<ComponentProps<typeof Bars>> = {
	none: { backups: [] },
	one: { backups: measured(1, ['full']) },
	many: { backups: measured(60, ['full', 'incremental', 'incremental']) },
	empty: {
		backups: measured(3, ['full']).map((one) => ({ ...one, bytes: 0, rows: 0, milliseconds: 0 })),
	},
	large: {
		backups: measured(12, ['full']).map((one) => ({
			...{ ...one, bytes: one.bytes * 1e4, rows: one.rows * 1e5, milliseconds: 9e7 },
		})),
	},
};

const IDS: Record<FirstRunId, string> = {
	secret: 'TOTP_SECRET is missing or not valid: no code can be checked.',
	bucket: "No bucket is bound as MY_BUCKET. Make one, and add it to wrangler's configuration.",
	key: 'BACKUP_MAC_KEY is not set: TOTP_SECRET signs, which phones and GitHub know too.',
	encryption: 'Backups are not encrypted: everyone who can read the bucket can read the data.',
	backup: 'There is no backup yet: make one with the button "Back up now".',
	drill: 'No backup is proven yet: open one, and drill it.',
	schedule: 'No schedule has made a backup yet.',
	alerts: 'Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.',
};

/** The first run after so many steps. */
function firstSteps(done: number): FirstRunStep[] {
	return (Object.keys(IDS) as FirstRunId[]).map((id, index) => ({
		...{ id, state: index < done ? 'done' : index === done ? 'next' : 'missing' },
		...{ optional: index > 5, sentence: IDS[id] },
		command: id === 'backup' ? null : 'npx wrangler pages secret put ALERT_WEBHOOK_URL',
	}));
}

export const firstRun: States<ComponentProps<typeof FirstRun>> = {
	'nothing done': { steps: firstSteps(0) },
	'half done': { steps: firstSteps(4) },
	'all done': { steps: firstSteps(8) },
	...harmful((text) => ({
		steps: firstSteps(1).map((step) => ({ ...step, sentence: text })),
	})),
};
