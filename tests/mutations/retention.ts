import type { Mutation } from './mutation.ts';

const KEEP = 'src/lib/server/backup/keep';
const FLOORS = `${KEEP}/floors.ts`;
const PLAN = `${KEEP}/plan.ts`;
const RULES = `${KEEP}/rules.ts`;
const HISTORIES = 'tests/properties/retention.test.ts';

/** Faults in which backups stay. */
export const retention: Mutation[] = [
	{
		title: 'the newest backup is not held',
		file: FLOORS,
		right: '(candidate) => candidate === counted[0]',
		wrong: '() => false',
		tests: [HISTORIES],
	},
	{
		title: 'the newest that a drill has proven is not held',
		file: FLOORS,
		right: '(candidate) => candidate === drilled',
		wrong: '() => drilled === null',
		tests: [HISTORIES],
	},
	{
		title: 'two proven backups are enough',
		file: FLOORS,
		right: 'const MIN_PROVEN = 3;',
		wrong: 'const MIN_PROVEN = 2;',
		tests: [HISTORIES],
	},
	{
		title: 'a request removes one of the last proven backups',
		file: FLOORS,
		right: 'return [newest, ...wanted.slice(0, MIN_PROVEN - 1)];',
		wrong: 'return [newest, ...wanted.filter((one) => !one.requested).slice(0, MIN_PROVEN - 1)];',
		tests: [HISTORIES],
	},
	{
		title: 'a request removes the newest proven backup',
		file: FLOORS,
		right: 'const [newest, ...others] = counted.filter(({ provenAt }) => provenAt !== null);',
		wrong:
			'const [newest, ...others] = counted.filter(({ provenAt }) => provenAt !== null).toSorted((a, b) => Number(a.requested) - Number(b.requested));',
		tests: [`${KEEP}/plan.test.ts`],
	},
	{
		title: 'a pin holds nothing',
		file: FLOORS,
		right: '({ pinned }) => pinned',
		wrong: '({ pinned }) => pinned && !pinned',
		tests: [HISTORIES],
	},
	{
		title: 'young backups are not held',
		file: FLOORS,
		right: 'now - minDays * DAY_MS',
		wrong: 'now - minDays',
		tests: [HISTORIES],
	},
	{
		title: 'backups that nobody signed are removed',
		file: FLOORS,
		right: '({ trusted }) => !trusted]',
		wrong: '({ trusted }) => !trusted && trusted]',
		tests: [HISTORIES],
	},
	{
		title: 'a planted backup takes the place of a signed one',
		file: PLAN,
		right: '=> trusted && !requested && startedAt <= now',
		wrong: '=> (trusted || !trusted) && !requested && startedAt <= now',
		tests: [`${KEEP}/plan.test.ts`],
	},
	{
		title: 'a clock that is behind removes backups',
		file: FLOORS,
		right: 'if (newest.startedAt > now) {',
		wrong: 'if (newest.startedAt > Infinity) {',
		tests: [HISTORIES],
	},
	{
		title: 'backups are removed while the newest is too old',
		file: FLOORS,
		right: 'if (!isRecent(newest)) {',
		wrong: 'if (!isRecent(newest) && isRecent(newest)) {',
		tests: [`${KEEP}/plan.test.ts`],
	},
	{
		title: 'backups are removed while none is proven',
		file: FLOORS,
		right: 'one.provenAt !== null && isRecent(one)',
		wrong: 'isRecent(one)',
		tests: [HISTORIES],
	},
	{
		title: 'a differential loses its parent',
		file: PLAN,
		right: 'if (parent !== null) children.set(',
		wrong: 'if (parent === name) children.set(',
		tests: [HISTORIES],
	},
	{
		title: 'a damaged backup takes the place of a sound one',
		file: PLAN,
		right: '!one.damaged && (',
		wrong: '(',
		tests: [`${KEEP}/plan.test.ts`],
	},
	{
		title: 'the oldest backup does not fill a slot',
		file: RULES,
		right: '!isNewest && backup !== oldest',
		wrong: '!isNewest && oldest',
		tests: [`${KEEP}/rules.restic.test.ts`],
	},
	{
		title: 'the oldest of a period is kept, not the newest',
		file: RULES,
		right: 'const isNewest = period !== last;',
		wrong: 'const isNewest = period === last;',
		tests: [`${KEEP}/rules.restic.test.ts`],
	},
	{
		title: 'weeks begin on Sunday',
		file: RULES,
		right: 'const WEEK_OFFSET_MS = 3 * DAY_MS;',
		wrong: 'const WEEK_OFFSET_MS = 4 * DAY_MS;',
		tests: [`${KEEP}/rules.test.ts`],
	},
	{
		title: 'what is exactly as old as allowed stays',
		file: RULES,
		right: 'startedAt > end',
		wrong: 'startedAt >= end',
		tests: [`${KEEP}/rules.test.ts`],
	},
	{
		title: 'a month has thirty days',
		file: RULES,
		right: 'date.getUTCMonth() - months,\n\t\tdate.getUTCDate() - days,',
		wrong: 'date.getUTCMonth(),\n\t\tdate.getUTCDate() - days - 30 * months,',
		tests: [`${KEEP}/rules.test.ts`],
	},
	{
		title: 'a verification of stored bytes proves the contents',
		file: `${KEEP}/candidates.ts`,
		right: "scope === 'contents'",
		wrong: "scope === 'contents' || scope === 'stored'",
		tests: [`${KEEP}/candidates.test.ts`],
	},
	{
		title: 'a proof counts that a later one of the other kind refutes',
		file: `${KEEP}/candidates.ts`,
		right: 'proofs.some(({ proven }) => !proven)',
		wrong: 'proofs.length > 0 && proofs.every(({ proven }) => !proven)',
		tests: [`${KEEP}/candidates.test.ts`],
	},
	{
		title: 'a list calls backups removable although pins are forged',
		file: `${KEEP}/overview.ts`,
		right: '(pins ? one : held(one))',
		wrong: '(pins ? one : held(one) && one)',
		tests: [`${KEEP}/overview.test.ts`],
	},
	{
		title: 'a list shows backups from the future',
		file: `${KEEP}/overview.ts`,
		right: 'Date.parse(startedAt) <= now + MAX_CLOCK_DRIFT_MS',
		wrong: 'Date.parse(startedAt) <= Infinity',
		tests: [`${KEEP}/overview.test.ts`],
	},
	{
		title: 'without a policy the usual one is taken for set',
		file: `${KEEP}/overview.ts`,
		right: 'if (policy.rules !== null) return null;',
		wrong: 'if (policy.rules === null) return null;',
		tests: [`${KEEP}/overview.test.ts`],
	},
	{
		title: 'the health does not count what the usual policy would remove',
		file: 'src/lib/server/operations/health.ts',
		right: 'retention.suggested ?? retention',
		wrong: 'retention',
		tests: ['src/lib/server/operations/health.test.ts'],
	},
];
