import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { counted, SEED } from '../../../../tests/counts.ts';
import type { Tone, VerdictState } from '../../components/types.ts';
import { isHealthy } from '../operations/health.ts';
import { type KnownLook, type VerdictFacts, verdictOf, worstVerdict } from './verdict.ts';

const NOW = Date.parse('2026-11-27T12:00:00.000Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MAX_AGE = 4 * DAY;

/** When something happened; null for never. */
const hours = (ago: number | null) => (ago === null ? null : NOW - ago * HOUR);

interface Ages {
	/** Hours since the newest backup, the newest proven one, and that one's proof. */
	backup?: number | null;
	proven?: number | null;
	proof?: number | null;
	warnings?: string[];
}

function facts(ages: Ages = {}, rest: Partial<VerdictFacts> = {}): VerdictFacts {
	const { backup = 6, proven = backup, proof = 5, warnings = [] } = ages;
	const look = { at: NOW, backup: hours(backup), provenBackup: hours(proven), warnings };
	return {
		look,
		provenAt: hours(proof),
		damaged: false,
		failing: null,
		lockedUntil: null,
		running: null,
		hasWebhook: true,
		maxAgeMs: MAX_AGE,
		now: NOW,
		...rest,
	};
}

const failing = { failing: { since: NOW - 3 * HOUR, code: 'database_unavailable' } };
const locked = { lockedUntil: NOW + 300 * DAY };
const running = { running: { resumesAt: null } };
const waiting = { running: { resumesAt: NOW + 12 * 60_000 } };
const damaged = { damaged: true };
const silent = { hasWebhook: false };
const left = {
	warnings: ['A backup that started 20 minutes ago has left tables in the database.'],
};
const forged = { warnings: ['Somebody planted a backup.'] };

const STATES: [string, VerdictFacts, VerdictState, Tone, string][] = [
	// Proven.
	['proven', facts(), 'proven', 'good', 'Proven 5 hours ago. Next backup due in 42 hours.'],
	['proven just now', facts({ backup: 0, proof: 0 }), 'proven', 'good', 'Proven just now. Next'],
	['proven, with no known time', facts({ proof: null }), 'proven', 'good', 'Proven 6 hours ago.'],
	['proven, due soon', facts({ backup: 47.5 }), 'proven', 'good', 'Next backup due in 30 minutes.'],
	['proven, due', facts({ backup: 48 }), 'proven', 'good', 'The next backup is due now.'],
	['proven, late', facts({ backup: 73 }), 'proven', 'notice', 'The next backup is due now.'],
	['proven, as old as may be', facts({ backup: 96 }), 'proven', 'notice', 'Proven 5 hours ago.'],
	['proven, with a warning', facts(forged), 'proven', 'notice', 'Proven 5 hours ago.'],
	['proven, with a left stage', facts(left), 'proven', 'notice', 'Proven 5 hours ago.'],
	['proven, with no webhook', facts({}, silent), 'proven', 'good', 'Proven 5 hours ago.'],
	['proven, late, no webhook', facts({ backup: 73 }, silent), 'proven', 'notice', 'is due now.'],
	['proven, running', facts({}, running), 'proven', 'good', 'The next backup is being made.'],
	['proven, waiting', facts({}, waiting), 'proven', 'good', 'The next backup is being made.'],
	[
		'proven, from the future',
		facts({ backup: -1 }),
		'proven',
		'good',
		'Next backup due in 2 days.',
	],
	// Recovered, which the receiver of alerts does not know yet.
	[
		'recovered',
		facts({}, { failing: { since: NOW, code: 'backup_recovered' } }),
		...(['proven', 'good', 'Proven 5 hours ago.'] as const),
	],
	// Locked out, which keeps nobody from a backup.
	['locked', facts({}, locked), 'locked', 'notice', 'Six-digit codes are locked out.'],
	['locked, running', facts({}, { ...locked, ...running }), 'locked', 'notice', 'Proven 5 hours'],
	['locked, late', facts({ backup: 80 }, locked), 'locked', 'notice', 'Proven 5 hours ago.'],
	// The newest is not proven, an older one is.
	['newest not proven', facts({ proven: 30 }), 'unproven', 'notice', 'Backed up 6 hours ago, not'],
	['the same, locked', facts({ proven: 30 }, locked), 'unproven', 'notice', 'not proven yet. The'],
	['the same, running', facts({ proven: 30 }, running), 'unproven', 'notice', 'is 30 hours old.'],
	[
		'newest damaged',
		facts({ proven: 30 }, damaged),
		'unproven',
		'notice',
		'is damaged. The newest',
	],
	// None that is young enough is proven.
	[
		'unproven',
		facts({ proven: 97 }),
		'unproven',
		'bad',
		'backup is 4 days old; the limit is 4 days',
	],
	['never proven', facts({ proven: null, proof: null }), 'unproven', 'bad', 'Never proven'],
	['never proven, locked', facts({ proven: null }, locked), 'unproven', 'bad', 'Never proven'],
	[
		'all damaged',
		facts({ proven: null }, damaged),
		'unproven',
		'bad',
		'and no recent one is proven',
	],
	// Overdue.
	[
		'overdue',
		facts({ backup: 100 }),
		'overdue',
		'bad',
		'backup is 4 days old; the limit is 4 days.',
	],
	['overdue, never proven', facts({ backup: 100, proven: null }), 'overdue', 'bad', 'Overdue.'],
	['overdue, locked', facts({ backup: 100 }, locked), 'overdue', 'bad', 'Overdue.'],
	['overdue, running', facts({ backup: 100 }, running), 'overdue', 'bad', 'Overdue.'],
	['overdue, no webhook', facts({ backup: 100 }, silent), 'overdue', 'bad', 'Overdue.'],
	['overdue, with a left stage', facts({ backup: 100, ...left }), 'overdue', 'bad', 'Overdue.'],
	['overdue, damaged', facts({ backup: 100 }, damaged), 'overdue', 'bad', 'Overdue.'],
	// Failing: what was made before is still good, or is not.
	['failing', facts({}, failing), 'failing', 'notice', 'failing for 3 hours. The newest proven'],
	['failing, unproven', facts({ proven: 97 }, failing), 'failing', 'bad', 'for 3 hours. Unproven.'],
	['failing, never proven', facts({ proven: null }, failing), 'failing', 'bad', 'Never proven'],
	['failing, overdue', facts({ backup: 100 }, failing), 'failing', 'bad', 'backup is 4 days old.'],
	['failing, locked', facts({}, { ...failing, ...locked }), 'failing', 'notice', 'for 3 hours.'],
	[
		'failing, damaged',
		facts({ proven: 30 }, { ...failing, ...damaged }),
		'failing',
		'notice',
		'30',
	],
	// Nothing yet.
	['never', facts({ backup: null, proof: null }), 'never', 'bad', 'No backup yet.'],
	['never, locked', facts({ backup: null }, locked), 'never', 'bad', 'No backup yet.'],
	['never, running', facts({ backup: null }, running), 'never', 'bad', 'No backup yet.'],
	['never, failing', facts({ backup: null }, failing), 'never', 'bad', 'been failing for 3 hours.'],
	['not looked at', facts({}, { look: null }), 'unproven', 'bad', 'Not checked yet.'],
];

test.for(STATES)('%s', ([, given, state, tone, sentence]) => {
	const verdict = verdictOf(given);
	expect(verdict).toMatchObject({ state, tone });
	expect(verdict.sentence).toContain(sentence);
});

test('a database of which only the last backup is known was not checked', () => {
	const { look } = facts();
	expect(verdictOf(facts({}, { look: look && { ...look, at: 0 } }))).toMatchObject({ tone: 'bad' });
});

describe('what else is wrong or going on', () => {
	const also = (ages: Ages, rest: Partial<VerdictFacts>) => verdictOf(facts(ages, rest)).also;

	test('nothing', () => expect(also({}, running)).toEqual([]));

	test('everything, the worst first', () => {
		const all = { ...failing, ...damaged, ...locked, ...waiting, ...silent };
		expect(also({ proven: 80, backup: 80, ...forged }, all)).toEqual([
			'The newest backup is damaged.',
			'The next backup is late, and overdue in 16 hours.',
			'Somebody planted a backup.',
			'Six-digit codes are locked out for another 300 days, after too many wrong ones.',
			'A backup waits for its next step, which may begin in 12 minutes.',
			'Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.',
		]);
	});

	test('the first backup is being made', () => {
		expect(also({ backup: null }, running)).toEqual(['A backup is being made.']);
	});
});

test('a verdict is bad exactly when the health is not good', () => {
	const age = fc.option(fc.integer({ min: -2, max: 300 }));
	const any = fc.record({
		ages: fc.record({ backup: age, proven: age, proof: age, warnings: fc.array(fc.string()) }),
		rest: fc.record({
			failing: fc.constantFrom(null, failing.failing),
			lockedUntil: fc.constantFrom(null, locked.lockedUntil),
			running: fc.constantFrom(null, running.running, waiting.running),
			damaged: fc.boolean(),
			hasWebhook: fc.boolean(),
		}),
	});
	const property = fc.property(any, ({ ages, rest }) => {
		const given = facts(ages, rest);
		const healthy = isHealthy(given.look as KnownLook, MAX_AGE, NOW);
		const { tone, sentence } = verdictOf(given);
		expect(tone === 'bad').toBe(!healthy);
		expect(sentence).not.toMatch(/NaN|undefined|null/);
	});
	fc.assert(property, { numRuns: counted(800), seed: SEED });
});

describe('several databases', () => {
	const named = (...all: VerdictFacts[]) =>
		all.map((given, index) => ({ name: `db${index + 1}`, verdict: verdictOf(given) }));

	test('all are proven', () => {
		expect(worstVerdict(named(facts(), facts()))).toMatchObject({
			state: 'proven',
			sentence: 'All 2 databases are proven.',
		});
	});

	test('the worst one speaks', () => {
		const all = named(facts(), facts({}, failing), facts({ backup: 100 }), facts({ proven: 30 }));
		expect(worstVerdict(all)).toMatchObject({
			state: 'overdue',
			tone: 'bad',
			sentence:
				'3 of 4 databases need attention. db3: Overdue. The newest backup is 4 days old; the limit is 4 days.',
		});
	});

	test('one database speaks for itself', () => {
		const [one] = named(facts());
		expect(worstVerdict(named(facts()))).toEqual(one?.verdict);
	});
});
