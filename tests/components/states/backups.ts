import type { ComponentProps } from 'svelte';
import type BackupDetails from '../../../src/lib/components/BackupDetails.svelte';
import type BackupFacts from '../../../src/lib/components/BackupFacts.svelte';
import type BackupTable from '../../../src/lib/components/BackupTable.svelte';
import type Proof from '../../../src/lib/components/Proof.svelte';
import type ProofList from '../../../src/lib/components/ProofList.svelte';
import type PrunePreview from '../../../src/lib/components/PrunePreview.svelte';
import type Reasons from '../../../src/lib/components/Reasons.svelte';
import type Recipients from '../../../src/lib/components/Recipients.svelte';
import type RestorePanel from '../../../src/lib/components/RestorePanel.svelte';
import type {
	BackupDetail,
	ProofRow,
	RestoreFacts,
} from '../../../src/lib/components/detail-types.ts';
import type {
	BackupRow,
	Consistency,
	Mark,
	PlannedRow,
	PruneAction,
} from '../../../src/lib/components/types.ts';
import { ACTION, proofRowWords, proofWords } from '../../../src/lib/components/words.ts';
import { ENTRIES } from './calls.ts';
import { daysAgo, harmful, hrefOf, NOW, RECIPIENTS, type States } from './state.ts';

// What is shown of backups: in lists, one by one, as retention sees them, and how they are restored.

const PROVEN = { at: NOW, proven: true, scope: 'contents' } as const;
const STORED = { at: NOW, proven: true, scope: 'stored' } as const;
const DAMAGED = { at: NOW, proven: false, scope: 'contents' } as const;

const PIN = { at: daysAgo(3), note: 'Before the migration of the orders' };
const MARK: Mark = {
	...{ at: daysAgo(3), by: 'rule', removableAt: daysAgo(-4) },
	...{ locked: false, removing: false },
};
const REASONS = [
	{ code: 'daily', text: 'daily 1 of 7 (2026-11-27)' },
	{ code: 'newest', text: 'the newest' },
];

/** A backup of so many days ago. */
function row(days: number, rest: Partial<BackupRow> = {}): BackupRow {
	const startedAt = daysAgo(days);
	return {
		...{ name: `full_backup_${startedAt}`, kind: 'full', startedAt, bytes: 1_310_000 },
		...{ sqlBytes: 9_400_000, rows: 12_345, consistency: 'atomic', encrypted: false, warnings: 0 },
		...{
			verified: PROVEN,
			drilled: null,
			signed: true,
			problem: null,
			reasons: REASONS,
			pin: null,
			mark: null,
		},
		...rest,
	};
}

const READ: Consistency[] = ['atomic', 'fenced', 'staged'];
const LOST = 'The full backup full_backup_2026-11-01T05:00:00.000Z, on which it rests, is missing.';

export const backupTable: States<ComponentProps<typeof BackupTable>> = {
	empty: { backups: [], hrefOf },
	'of every kind': {
		backups: [
			...READ.map((consistency, days) => row(days, { consistency })),
			row(3, { encrypted: true, verified: STORED, drilled: PROVEN }),
			row(4, { kind: 'incremental', pin: PIN, reasons: [{ code: 'pinned', text: 'pinned' }] }),
			row(5, { mark: MARK, reasons: [] }),
			row(6, { warnings: 2, verified: null }),
			row(7, { bytes: 1, sqlBytes: 1, rows: 1, warnings: 1, reasons: [] }),
		],
		hrefOf,
		next: '?after=full_backup_2026-11-19',
	},
	unsigned: { backups: [row(0, { signed: false }), row(1, { signed: null })], hrefOf },
	'its parent is lost': {
		backups: [row(0, { kind: 'incremental', verified: DAMAGED, problem: LOST })],
		hrefOf,
	},
	...harmful((text) => ({
		backups: [
			row(0, {
				...{ name: text, startedAt: text, problem: text, mark: { ...MARK, removableAt: text } },
				...{ reasons: [{ code: text, text }], pin: { at: text, note: text } },
			}),
		],
		hrefOf,
		caption: 'Backups',
	})),
};

const ROW = { verified: null, drilled: null };
const PROOF: ProofRow = {
	...PROVEN,
	kind: 'drill',
	by: 'worker',
	durationMs: 3_400,
	differences: [],
};
const FOUND = ['orders: 12,345 rows instead of 12,346', 'users: other contents'];

export const proof: States<ComponentProps<typeof Proof>> = {
	none: { words: proofWords(ROW) },
	verified: { words: proofWords({ ...ROW, verified: PROVEN }) },
	'verified as stored': { words: proofWords({ ...ROW, verified: STORED }) },
	drilled: { words: proofWords({ verified: PROVEN, drilled: PROVEN }) },
	damaged: { words: proofWords({ verified: DAMAGED, drilled: PROVEN }) },
	'one failed drill': { words: proofRowWords({ ...PROOF, ...DAMAGED }) },
	...harmful((text) => ({ words: proofWords({ ...ROW, verified: { ...PROVEN, at: text } }) })),
};

export const proofList: States<ComponentProps<typeof ProofList>> = {
	none: { proofs: [] },
	'of every kind': {
		proofs: [
			PROOF,
			{ ...PROOF, kind: 'verify', by: 'npm run drill on laptop' },
			{ ...PROOF, kind: 'verify', scope: 'stored' },
			{ ...PROOF, proven: false, differences: FOUND },
			{ ...PROOF, kind: 'verify', proven: false, differences: FOUND.slice(1) },
		],
	},
	...harmful((text) => ({
		proofs: [{ ...PROOF, at: text, by: text, proven: false, differences: [text] }],
	})),
};

export const reasons: States<ComponentProps<typeof Reasons>> = {
	none: { reasons: [], pin: null, mark: null },
	'by rules': { reasons: REASONS, pin: null, mark: null },
	pinned: { reasons: [{ code: 'pinned', text: 'pinned' }], pin: PIN, mark: null },
	'pinned without a note': { reasons: REASONS, pin: { ...PIN, note: '' }, mark: null },
	marked: { reasons: [], pin: null, mark: MARK },
	'marked on request': { reasons: [], pin: null, mark: { ...MARK, by: 'request' } },
	'locked by the bucket': { reasons: [], pin: null, mark: { ...MARK, locked: true } },
	'removal has begun': { reasons: [], pin: null, mark: { ...MARK, removing: true } },
	...harmful((text) => ({
		reasons: [{ code: text, text }],
		pin: { at: text, note: text },
		mark: { ...MARK, at: text, removableAt: text },
	})),
};

export const recipients: States<ComponentProps<typeof Recipients>> = {
	none: { recipients: [] },
	one: { recipients: RECIPIENTS.slice(1) },
	two: { recipients: RECIPIENTS },
	'a short one': { recipients: ['age1short'] },
	...harmful((text) => ({ recipients: [text] })),
};

const TABLES = [
	{ name: 'orders', rows: 12_345, bytes: 9_000_000, before: { rows: 12_300, bytes: 8_900_000 } },
	{ name: 'users', rows: 80, bytes: 12_000, before: { rows: 81, bytes: 13_000 } },
	{ name: 'settings', rows: 3, bytes: 300, before: { rows: 3, bytes: 300 } },
	{ name: 'audit', rows: 0, bytes: 120, before: null },
];
const VOLUMES = ['', '.2'].map((number) => ({
	...{ key: `full_backup_2026-11-27T10:02:00.000Z${number}.sql.gz.age`, bytes: 655_000 },
	...{
		sqlBytes: 4_700_000,
		sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
	},
}));

const DETAIL: BackupDetail = {
	...row(0),
	...{ finishedAt: '2026-11-27T10:02:03.400Z', database: 'DB', attempts: 1, waitedMs: null },
	...{ bookmark: null, previous: null, parent: null, dependants: [], recipients: [] },
	...{ tables: TABLES, gone: [], volumes: VOLUMES.slice(0, 1), warningTexts: [] },
	...{ proofs: [], log: [], version: '0.1.0' },
};
const FULL: BackupDetail = {
	...row(0, { kind: 'incremental', consistency: 'staged', encrypted: true, warnings: 2 }),
	...{ finishedAt: '2026-11-27T10:14:00.000Z', database: 'DB', attempts: 3, waitedMs: 840 },
	...{ bookmark: '00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683' },
	...{ previous: `full_backup_${daysAgo(1)}`, parent: `full_backup_${daysAgo(9)}` },
	...{ dependants: [1, 2].map((days) => `incremental_backup_${daysAgo(days)}`) },
	...{ recipients: RECIPIENTS, tables: TABLES, volumes: VOLUMES, version: '0.1.0' },
	gone: [{ name: 'drafts', rows: 12, bytes: 1_200 }],
	warningTexts: ['The table drafts has no primary key.', 'The bucket is shared with another app.'],
	...{ proofs: [PROOF, { ...PROOF, proven: false, differences: FOUND }], log: ENTRIES },
};
const harmfulDetail = (text: string): BackupDetail => ({
	...{ ...FULL, name: text, database: text, bookmark: text, parent: text, dependants: [text] },
	...{ recipients: [text], warningTexts: [text], version: text, finishedAt: text, problem: text },
	tables: [{ name: text, rows: 1, bytes: 1, before: null }],
	gone: [{ name: text, rows: 1, bytes: 1 }],
	volumes: VOLUMES.map((volume) => ({ ...volume, key: text })).slice(1),
});

export const backupDetails: States<ComponentProps<typeof BackupDetails>> = {
	'little to say': { backup: DETAIL, hrefOf },
	'much to say': { backup: FULL, hrefOf },
	...harmful((text) => ({ backup: harmfulDetail(text), hrefOf })),
};

export const backupFacts: States<ComponentProps<typeof BackupFacts>> = {
	unsigned: { backup: { ...DETAIL, signed: false }, hrefOf },
	'not checked': { backup: { ...DETAIL, signed: null, rows: 1, bytes: 1, sqlBytes: 1 }, hrefOf },
	'its parent is lost': {
		backup: { ...FULL, verified: DAMAGED, problem: LOST, dependants: [] },
		hrefOf,
	},
	marked: { backup: { ...DETAIL, pin: PIN, mark: MARK }, hrefOf },
};

function planned(action: PruneAction, index: number): PlannedRow {
	const keep = ['keep', 'leave', 'unmark'].includes(action);
	const { name, kind, startedAt, bytes } = row(index);
	return {
		...{ name, kind, startedAt, bytes, keep, action, pin: index === 0 ? PIN : null },
		reasons: keep ? REASONS : [{ code: 'no_rule', text: 'no rule keeps it' }],
		mark: action === 'wait' ? MARK : null,
	};
}

const PLAN = {
	blocked: null,
	backups: (Object.keys(ACTION) as PruneAction[]).map(planned),
	later: 0,
};
const BLOCKED = { code: 'unproven', text: 'no recent backup is proven' };

export const prunePreview: States<ComponentProps<typeof PrunePreview>> = {
	empty: { plan: { ...PLAN, backups: [] }, hrefOf },
	'each action': { plan: { ...PLAN, later: 1 }, hrefOf },
	'one stays and one goes': {
		plan: { ...PLAN, backups: [planned('keep', 0), planned('remove', 1)] },
		hrefOf,
	},
	blocked: { plan: { ...PLAN, blocked: BLOCKED, later: 12 }, hrefOf },
	...harmful((text) => ({
		plan: {
			blocked: { code: text, text },
			backups: [
				{ ...planned('mark', 0), name: text, startedAt: text, reasons: [{ code: text, text }] },
			],
			later: 1,
		},
		hrefOf,
	})),
};

const NAME = 'full_backup_2026-11-27T10:02:00.000Z';
const RESTORE: RestoreFacts = {
	...{ name: NAME, kind: 'full', startedAt: NOW, app: 'https://shop.example', database: null },
	...{ files: [`${NAME}.sql`], objects: [`${NAME}.manifest.json`, `${NAME}.sql`] },
	bookmark: '00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683',
};
const PARENT = 'full_backup_2026-11-01T05:00:00.000Z';

export const restorePanel: States<ComponentProps<typeof RestorePanel>> = {
	plain: { facts: RESTORE, now: NOW },
	encrypted: {
		facts: { ...RESTORE, files: VOLUMES.map(({ key }) => key), database: 'shop' },
		now: NOW,
	},
	differential: {
		facts: {
			...{ ...RESTORE, kind: 'incremental', name: `incremental_backup_${NOW}`, bookmark: null },
			objects: [`incremental_backup_${NOW}.manifest.json`, `${PARENT}.manifest.json`],
		},
		now: NOW,
	},
	'older than Time Travel': { facts: { ...RESTORE, startedAt: daysAgo(31) }, now: NOW },
	...harmful((text) => ({
		facts: { ...RESTORE, name: text, app: text, database: text, files: [text], objects: [text] },
		now: NOW,
	})),
};
