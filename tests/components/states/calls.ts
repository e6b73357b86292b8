import { type ComponentProps, createRawSnippet } from 'svelte';
import type AuditLog from '../../../src/lib/components/AuditLog.svelte';
import type CodeForm from '../../../src/lib/components/CodeForm.svelte';
import type Command from '../../../src/lib/components/Command.svelte';
import type CopyButton from '../../../src/lib/components/CopyButton.svelte';
import type Foreign from '../../../src/lib/components/Foreign.svelte';
import type Lockout from '../../../src/lib/components/Lockout.svelte';
import type LogTable from '../../../src/lib/components/LogTable.svelte';
import type RunProgress from '../../../src/lib/components/RunProgress.svelte';
import type Time from '../../../src/lib/components/Time.svelte';
import type { CallerKind, LogEntry, Outcome, Run } from '../../../src/lib/components/types.ts';
import { CALLER, OUTCOME } from '../../../src/lib/components/words.ts';
import { daysAgo, harmful, NOW, type States } from './state.ts';

// What people do, and what is recorded of that; and the small parts that all others use.

const RUN: Run = {
	...{ name: `full_backup_${NOW}`, startedAt: NOW, state: 'running', resumesAt: null },
	...{ step: 1, attempt: 1, tables: 3, rows: 4_000, sqlBytes: 2_000_000, table: 'orders' },
	...{ expected: { tables: 8, rows: 12_000, sqlBytes: 6_000_000 }, error: null },
};
const FAILURE = {
	error: 'The database did not answer.',
	code: 'database_unavailable',
	hint: 'Try again in a few minutes.',
};
const LATER = '2026-11-27T10:02:20.000Z';
const DUE = '2026-11-27T10:12:00.000Z';

export const runProgress: States<ComponentProps<typeof RunProgress>> = {
	'just begun': { run: { ...RUN, tables: 0, rows: 0, sqlBytes: 0, table: null }, now: NOW },
	running: { run: RUN, now: LATER },
	'starting over': { run: { ...RUN, attempt: 2 }, now: LATER },
	'with unknown size': { run: { ...RUN, expected: null }, now: LATER },
	'with one row of one table': {
		run: { ...RUN, tables: 1, rows: 1, sqlBytes: 1, expected: null },
		now: LATER,
	},
	'almost done': { run: { ...RUN, sqlBytes: 7_000_000 }, now: LATER },
	waiting: { run: { ...RUN, state: 'waiting', step: 4, resumesAt: DUE }, now: LATER },
	failed: { run: { ...RUN, state: 'failed', error: FAILURE }, now: LATER },
	'failed with unknown size': {
		run: { ...RUN, state: 'failed', error: FAILURE, expected: null },
		now: LATER,
	},
	done: { run: { ...RUN, state: 'done', tables: 8, table: null }, now: LATER },
	...harmful((text) => ({
		run: { ...RUN, state: 'failed', error: { error: text, code: text, hint: text } },
		now: LATER,
	})),
	...Object.fromEntries(
		Object.entries(harmful((text) => ({ run: { ...RUN, table: text }, now: LATER }))).map(
			([state, props]) => [`a table with ${state}`, props],
		),
	),
};

const CALLERS = Object.keys(CALLER) as CallerKind[];
const OUTCOMES = Object.keys(OUTCOME) as Outcome[];

/** A call of each kind of caller, with each outcome by turns, most of what is recorded of one in the first. */
export const ENTRIES: LogEntry[] = CALLERS.map((kind, index) => {
	const outcome = OUTCOMES[index % OUTCOMES.length] ?? 'done';
	return {
		...{ time: daysAgo(index), operation: index === 0 ? 'backup' : 'list', outcome },
		...(outcome === 'done' ? {} : { code: 'code_wrong', status: 401 }),
		caller: { kind, address: '2001:db8:85a3::8a2e:370:7334' },
		...(index === 0 && {
			...{ database: 'DB', backup: `full_backup_${NOW}`, rows: 1, bytes: 1_310_000 },
			...{ durationMs: 3_400, waitedMs: 840, warnings: 2, previousSecret: true },
		}),
	};
});

const harmfulEntries = (text: string): LogEntry[] => [
	{
		...{
			time: text,
			operation: text,
			outcome: 'refused',
			code: text,
			backup: text,
			database: text,
		},
		caller: { kind: 'administrator', address: text, account: text },
	},
];

export const logTable: States<ComponentProps<typeof LogTable>> = {
	empty: { entries: [] },
	'each caller and outcome': { entries: ENTRIES, caption: 'Calls' },
	...harmful((text) => ({ entries: harmfulEntries(text) })),
};

const OPERATIONS = ['backup', 'list', 'download'];
const ALL = { outcome: '', operation: '', caller: '' } as const;

export const auditLog: States<ComponentProps<typeof AuditLog>> = {
	empty: { entries: [], filter: ALL, operations: [], action: '/backups/log' },
	'with older entries': {
		...{ entries: ENTRIES, filter: ALL, operations: OPERATIONS, action: '/backups/log' },
		next: '?before=x',
	},
	filtered: {
		...{ entries: ENTRIES.slice(1, 2), operations: OPERATIONS, action: '/backups/log' },
		filter: { outcome: 'refused', operation: 'list', caller: 'code' },
	},
	'filtered to nothing': {
		...{ entries: [], operations: OPERATIONS, action: '/backups/log' },
		filter: { outcome: 'failed', operation: '', caller: 'stranger' },
	},
	...harmful((text) => ({
		...{ entries: harmfulEntries(text), operations: [text], action: '/backups/log' },
		filter: { outcome: '', operation: text, caller: '' },
	})),
};

const LOCKOUT = { wrong: [], lockedUntil: null, maxWrong: 5, isKeyed: false };
const WRONG = [9, 1].map((days) => ({ at: daysAgo(days), network: '203.0.113.0/24' }));

export const lockout: States<ComponentProps<typeof Lockout>> = {
	'no wrong code': { lockout: LOCKOUT },
	'wrong codes': { lockout: { ...LOCKOUT, wrong: WRONG } },
	locked: { lockout: { ...LOCKOUT, wrong: WRONG, lockedUntil: daysAgo(-1) } },
	'locked, with an API key': {
		lockout: { ...LOCKOUT, wrong: WRONG, lockedUntil: daysAgo(-1), isKeyed: true },
	},
	...harmful((text) => ({
		lockout: { ...LOCKOUT, wrong: [{ at: text, network: text }], lockedUntil: text },
	})),
};

const FORM = { action: '?/pin', button: 'Pin this backup' };

export const codeForm: States<ComponentProps<typeof CodeForm>> = {
	plain: FORM,
	'with danger, and more fields': {
		...{ action: '?/remove', button: 'Mark for removal', danger: true, hidden: { name: 'x' } },
		children: createRawSnippet(() => ({
			render: () => '<label>Name <input class="lb-field" name="typed" required /></label>',
		})),
	},
	'after a failure': { ...FORM, failure: FAILURE },
	...harmful((text) => ({ ...FORM, failure: { error: text, code: text, hint: text } })),
};

export const command: States<ComponentProps<typeof Command>> = {
	'one line': { lines: ['npm run drill'], what: 'the command' },
	'many lines': {
		lines: ['npm run restore -- NAME --to restored.db', 'sqlite3 restored.db .tables'],
		what: 'the commands',
	},
	...harmful((text) => ({ lines: [text, text], what: 'the command' })),
};

export const copyButton: States<ComponentProps<typeof CopyButton>> = {
	ready: { text: 'npm run drill', what: 'the command' },
};

export const foreign: States<ComponentProps<typeof Foreign>> = {
	short: { text: 'orders' },
	cut: { text: 'orders '.repeat(40) },
	opens: { text: 'orders '.repeat(40), opens: true },
	...harmful((text) => ({ text, opens: true })),
};

export const time: States<ComponentProps<typeof Time>> = {
	day: { at: NOW, precision: 'day' },
	minute: { at: NOW },
	second: { at: NOW, precision: 'second' },
	...harmful((text) => ({ at: text })),
};
