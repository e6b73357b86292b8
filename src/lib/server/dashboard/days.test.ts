import { describe, expect, test } from 'vitest';
import type { DayState, LogEntry } from '../../components/types.ts';
import { type DayFacts, DAYS, daysOf, type KnownBackup } from './days.ts';

const DAY = 24 * 3_600_000;
const CALLER = { kind: 'app', address: '' } as const;
const SOUND = { warnings: 0, proven: true, damaged: false };

/** A backup of that time, as `2026-11-27 05:00`. */
function backup(time: string, facts: Partial<KnownBackup> = {}): KnownBackup {
	return { name: `full_backup_${time.replace(' ', 'T')}:00.000Z`, ...SOUND, ...facts };
}

function entry(time: string, facts: Partial<LogEntry>): LogEntry {
	const at = `${time.replace(' ', 'T')}:00.000Z`;
	return { time: at, operation: 'backup', outcome: 'done', caller: CALLER, ...facts };
}

const failure = (time: string, code = 'database_unavailable', operation = 'backup') =>
	entry(time, { outcome: 'failed', code, operation });

function facts(now: string, rest: Partial<DayFacts>): DayFacts {
	return {
		backups: [],
		log: [],
		logSince: 0,
		remembered: [],
		runningSince: null,
		maxAgeMs: 2 * DAY,
		now: Date.parse(`${now.replace(' ', 'T')}:00.000Z`),
		...rest,
	};
}

/** A backup on each of so many days, the last one on this date. */
function daily(date: string, count: number): KnownBackup[] {
	const last = Date.parse(`${date}T05:00:00.000Z`);
	return Array.from({ length: count }, (_, index) => {
		const time = new Date(last - index * DAY).toISOString();
		return backup(time.slice(0, 16));
	});
}

/** The states of the last days, the newest last, as one letter each. */
function strip(given: DayFacts): string {
	const letters: Record<DayState, string> = {
		...{ proven: 'P', 'backed-up': 'B', warned: 'W', failed: 'F' },
		...{ running: 'R', overdue: 'O', idle: '.', before: '-' },
	};
	return daysOf(given)
		.map(({ state }) => letters[state])
		.join('');
}

const CASES: [string, DayFacts, string][] = [
	['nothing yet', facts('2026-11-27 12:00', {}), '---'],
	['the first day', facts('2026-11-27 12:00', { backups: [backup('2026-11-27 05:00')] }), '--P'],
	['a young installation', facts('2026-11-27 12:00', { backups: daily('2026-11-27', 3) }), '-PPP'],
	[
		'before the first try of today',
		facts('2026-11-27 04:00', { backups: daily('2026-11-26', 2) }),
		'-PP.',
	],
	[
		'a gap as long as it may be',
		facts('2026-11-27 04:00', { backups: daily('2026-11-25', 1) }),
		'-P..',
	],
	['overdue today', facts('2026-11-27 05:01', { backups: daily('2026-11-25', 1) }), '-P.O'],
	['long overdue', facts('2026-11-27 05:01', { backups: daily('2026-11-22', 1) }), '-P.OOOO'],
	[
		'a gap that has ended',
		facts('2026-11-27 12:00', { backups: [...daily('2026-11-22', 1), ...daily('2026-11-27', 1)] }),
		'-P.OOOP',
	],
	[
		'a schedule of once a month',
		facts('2026-11-27 12:00', {
			backups: [backup('2026-10-01 05:00'), backup('2026-11-01 05:00')],
			maxAgeMs: 32 * DAY,
		}),
		`-P${'.'.repeat(30)}P${'.'.repeat(26)}`,
	],
	[
		'a leap day',
		facts('2028-03-02 12:00', { backups: daily('2028-03-02', 4) }),
		'-PPPP', // 28 and 29 February, 1 and 2 March
	],
	[
		'not proven',
		facts('2026-11-27 12:00', { backups: [backup('2026-11-27 05:00', { proven: false })] }),
		'-B',
	],
	[
		'with warnings, not proven',
		facts('2026-11-27 12:00', {
			backups: [backup('2026-11-27 05:00', { proven: false, warnings: 1 })],
		}),
		'-W',
	],
	[
		'with warnings, proven',
		facts('2026-11-27 12:00', { backups: [backup('2026-11-27 05:00', { warnings: 1 })] }),
		'-P',
	],
	[
		'damaged',
		facts('2026-11-27 12:00', { backups: [backup('2026-11-27 05:00', { damaged: true })] }),
		'-F',
	],
	[
		'two on a day: the best counts',
		facts('2026-11-27 12:00', {
			backups: [
				backup('2026-11-27 05:00'),
				backup('2026-11-27 06:00', { proven: false, warnings: 2 }),
				backup('2026-11-27 07:00', { damaged: true }),
			],
		}),
		'-P',
	],
	[
		'two on a day, neither proven',
		facts('2026-11-27 12:00', {
			backups: [
				backup('2026-11-27 05:00', { proven: false }),
				backup('2026-11-27 06:00', { proven: false, warnings: 2 }),
			],
		}),
		'-B',
	],
	[
		'a failure, and nothing else ever',
		facts('2026-11-27 12:00', { log: [failure('2026-11-27 05:00')] }),
		'-F',
	],
	[
		'failures, and never a backup',
		facts('2026-11-27 12:00', { log: [failure('2026-11-23 05:00')] }),
		'-F.OOO',
	],
	[
		'a failure that a later try made good',
		facts('2026-11-27 12:00', {
			backups: [backup('2026-11-27 06:00')],
			log: [failure('2026-11-27 05:00')],
		}),
		'-P',
	],
	[
		'a failure after a backup',
		facts('2026-11-27 12:00', {
			backups: [backup('2026-11-27 05:00')],
			log: [failure('2026-11-27 06:00', 'storage_error', 'resume')],
		}),
		'-F',
	],
	[
		'what is no failure of a backup',
		facts('2026-11-27 12:00', {
			backups: [backup('2026-11-26 05:00')],
			log: [
				failure('2026-11-27 05:00', 'backup_running'),
				failure('2026-11-27 06:00', 'ticket_spent'),
				failure('2026-11-27 07:00', 'storage_error', 'list'),
				entry('2026-11-27 08:00', { outcome: 'refused', code: 'code_invalid' }),
				entry('2026-11-27 09:00', { status: 200 }), // none was due
			],
		}),
		'-P.',
	],
	[
		'running',
		facts('2026-11-27 12:00', { runningSince: Date.parse('2026-11-27T11:59:00Z') }),
		'-R',
	],
	[
		'running after a failure',
		facts('2026-11-27 12:00', {
			log: [failure('2026-11-27 05:00')],
			runningSince: Date.parse('2026-11-27T11:59:00Z'),
		}),
		'-R',
	],
	[
		'running after a backup',
		facts('2026-11-27 12:00', {
			backups: daily('2026-11-27', 1),
			runningSince: Date.parse('2026-11-27T11:59:00Z'),
		}),
		'-P',
	],
	[
		'removed since, which the audit log knows',
		facts('2026-11-27 12:00', {
			backups: daily('2026-11-27', 1),
			log: [
				entry('2026-11-21 05:01', { backup: backup('2026-11-21 05:00').name }),
				entry('2026-11-21 05:02', { operation: 'drill', backup: backup('2026-11-21 05:00').name }),
				entry('2026-11-23 05:01', { backup: backup('2026-11-23 05:00').name, operation: 'resume' }),
				entry('2026-11-25 05:01', { backup: backup('2026-11-25 05:00').name, warnings: 1 }),
				entry('2026-11-26 05:01', { backup: backup('2026-11-26 05:00').name }),
				entry('2026-11-26 05:02', {
					...{ operation: 'verify', outcome: 'failed', code: 'backup_differs' },
					backup: backup('2026-11-26 05:00').name,
				}),
			],
		}),
		'-P.B.WFP',
	],
	[
		'a gap from before the audit log begins',
		facts('2026-11-27 12:00', {
			backups: [...daily('2026-11-17', 1), ...daily('2026-11-27', 1)],
			logSince: Date.parse('2026-11-24T00:00:00Z'),
		}),
		'-P......OOOP',
	],
	[
		'a backup from the future',
		facts('2026-11-27 12:00', { backups: [backup('2026-11-28 05:00'), ...daily('2026-11-27', 1)] }),
		'-P',
	],
	[
		'more than fit',
		facts('2026-11-27 12:00', { backups: daily('2026-11-27', 120) }),
		'P'.repeat(DAYS),
	],
];

test.for(CASES)('%s', ([, given, expected]) => {
	const found = strip(given);
	expect(found).toHaveLength(DAYS);
	const padding = expected.startsWith('-') ? '-' : '';
	expect(found).toBe(expected.padStart(DAYS, padding || 'P'));
});

describe('a day', () => {
	test('counts what happened on it', () => {
		const days = daysOf(
			facts('2026-11-27 12:00', {
				backups: [backup('2026-11-27 06:00'), backup('2026-11-27 07:00', { proven: false })],
				log: [
					failure('2026-11-27 05:00', 'storage_error'),
					failure('2026-11-27 05:10', 'internal_error'),
				],
			}),
		);
		expect(days.at(-1)).toEqual({
			...{ date: '2026-11-27', state: 'proven', backups: 2, proven: 1 },
			...{ failures: 2, code: 'internal_error' },
		});
	});

	test('has its date, in a leap year too', () => {
		const dates = daysOf(facts('2028-03-01 00:00', {})).map(({ date }) => date);
		expect(dates.slice(-3)).toEqual(['2028-02-28', '2028-02-29', '2028-03-01']);
		expect(new Set(dates).size).toBe(DAYS);
	});
});
