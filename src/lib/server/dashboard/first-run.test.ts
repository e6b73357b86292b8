import { describe, expect, test } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import type { FirstRunId, FirstRunStep, LogEntry } from '../../components/types.ts';
import type { ListedBackup } from '../backup/format/manifest.ts';
import type { Environment } from '../environment.ts';
import { firstRunOf, isSetUp, type Progress } from './first-run.ts';

const NOTHING: Progress = { backups: [], log: [] };
const IDS: FirstRunId[] = [
	...(['secret', 'bucket', 'key', 'encryption', 'backup', 'drill', 'schedule', 'alerts'] as const),
];

// Only whether they are there matters.
const MY_BUCKET = {} as NonNullable<Environment['MY_BUCKET']>;
const DRILL_DB = {} as NonNullable<Environment['DRILL_DB']>;
const NEEDED = { TOTP_SECRET: SECRET, MY_BUCKET };
const ALL = {
	...{ ...NEEDED, BACKUP_MAC_KEY: 'x'.repeat(32), BACKUP_AGE_RECIPIENTS: 'age1…' },
	ALERT_WEBHOOK_URL: 'https://alerts.example',
};

const PROOF = { at: '2026-11-27T06:00:00.000Z', proven: true, scope: 'contents' as const };
const made = (proofs: Partial<ListedBackup> = {}): ListedBackup => ({
	...{ name: 'full_backup_2026-11-27T05:00:00.000Z', kind: 'full', parent: null, files: [] },
	...{ startedAt: '2026-11-27T05:00:00.000Z', finishedAt: '2026-11-27T05:00:01.000Z' },
	...{ consistency: 'atomic', tables: 1, rows: 1, sqlBytes: 1, bytes: 1, warnings: 0 },
	...{ signed: true, verified: null, drilled: null, ...proofs },
});
const called = (kind: LogEntry['caller']['kind'], facts: Partial<LogEntry> = {}): LogEntry => ({
	...{ time: '2026-11-27T05:00:01.000Z', operation: 'backup', outcome: 'done' },
	...{ caller: { kind, address: '' }, ...facts },
});

const idsOf = (steps: FirstRunStep[], state: FirstRunStep['state']) =>
	steps.filter((step) => step.state === state).map(({ id }) => id);
const stepOf = (id: FirstRunId, env: Environment, progress = NOTHING) =>
	firstRunOf(env, progress).find((step) => step.id === id);

/** A first run from nothing to everything: what is there, the steps that are done, and the one that is next. */
const RUN: [string, Environment, Progress, FirstRunId[], FirstRunId | undefined][] = [
	['nothing', {}, NOTHING, [], 'secret'],
	['a bucket without a secret', { MY_BUCKET }, NOTHING, ['bucket'], 'secret'],
	['a secret', { TOTP_SECRET: SECRET }, NOTHING, ['secret'], 'bucket'],
	['both', NEEDED, NOTHING, ['secret', 'bucket'], 'backup'],
	['a backup', NEEDED, { backups: [made()], log: [] }, ['secret', 'bucket', 'backup'], 'drill'],
	[
		'a proven backup',
		NEEDED,
		{ backups: [made({ verified: PROOF })], log: [] },
		['secret', 'bucket', 'backup', 'drill'],
		'key', // what is only recommended comes last
	],
	[
		'everything but a schedule',
		ALL,
		{ backups: [made({ drilled: PROOF })], log: [] },
		IDS.filter((id) => id !== 'schedule'),
		'schedule',
	],
	[
		'everything',
		ALL,
		{ backups: [made({ drilled: PROOF })], log: [called('app')] },
		IDS,
		undefined,
	],
];

test.for(RUN)('after %s', ([, env, progress, done, next]) => {
	const steps = firstRunOf(env, progress);
	expect(steps.map(({ id }) => id)).toEqual(IDS);
	expect(idsOf(steps, 'done')).toEqual(done);
	expect(idsOf(steps, 'next')).toEqual(next === undefined ? [] : [next]);
	for (const { state, command } of steps) if (state === 'done') expect(command).toBeNull();
});

test('the app is set up once a backup is proven, whatever is recommended', () => {
	const ends = RUN.map(([, env, progress]) => isSetUp(firstRunOf(env, progress)));
	expect(ends).toEqual([false, false, false, false, false, true, true, true]);
});

describe('a step is not done', () => {
	test.for(['', '   ', 'no secret!', 'GEZDGNBV'])('with the secret "%s"', (secret) => {
		expect(stepOf('secret', { TOTP_SECRET: secret })).toMatchObject({
			state: 'next',
			sentence: 'TOTP_SECRET is missing or not valid: no code can be checked.',
			command: 'npm run setup',
		});
	});

	test('with a bucket of another binding, which it names', () => {
		const bindings = { DB: 'DB', MY_BUCKET: 'BACKUPS', DRILL_DB: 'DRILL_DB' };
		const place = { database: 'main', databases: ['main'] as const, prefix: '', bindings };
		expect(stepOf('bucket', { place: { ...place, databases: ['main'] } })?.sentence).toContain(
			'No bucket is bound as BACKUPS.',
		);
	});

	test('with a backup of which the last proof is bad', () => {
		const backups = [made({ verified: PROOF, drilled: { ...PROOF, proven: false } })];
		expect(stepOf('drill', NEEDED, { backups, log: [] })?.state).toBe('next');
	});

	test.for([
		['a person', called('administrator')],
		['a code', called('code')],
		['a schedule that failed', called('token', { outcome: 'failed' })],
		['a drill of a schedule', called('token', { operation: 'drill' })],
	] as const)('with a backup by %s', ([, entry]) => {
		expect(stepOf('schedule', ALL, { backups: [], log: [entry] })?.state).toBe('missing');
	});

	test.for(['backup', 'backup_all', 'resume', 'resume_all'])(
		'without "%s" by a schedule',
		(operation) => {
			const log = [called('token', { operation })];
			expect(stepOf('schedule', ALL, { backups: [], log })?.state).toBe('done');
			expect(stepOf('schedule', ALL)?.state).toBe('missing');
		},
	);
});

test('a backup is drilled by the app where it can be, else by a command', () => {
	const ways = [NEEDED, { ...NEEDED, DRILL_DB }, { ...ALL, DRILL_DB }].map((env) => {
		const { sentence, command } = stepOf('drill', env) ?? {};
		return [sentence?.split(' ').at(-2), command];
	});
	expect(ways).toEqual([
		['verify', 'npm run drill'],
		['drill', null],
		['verify', 'npm run drill'],
	]);
});

test('only what a proven backup needs is not optional', () => {
	const needed = firstRunOf({}, NOTHING).filter(({ optional }) => !optional);
	expect(needed.map(({ id }) => id)).toEqual(['secret', 'bucket', 'backup', 'drill']);
});
