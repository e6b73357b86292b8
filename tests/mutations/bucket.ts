import type { Mutation } from './mutation.ts';

const KEEP = 'src/lib/server/backup/keep';
const JUDGE = `${KEEP}/check/judge.ts`;
const LEFTOVERS = `${KEEP}/leftovers.ts`;
const CHECKED = [`${KEEP}/check/check.test.ts`];
const PAGES = [`${KEEP}/check/check.pages.test.ts`];
const REMOVED = [`${KEEP}/leftovers.test.ts`];

/** Faults in what is told of the bucket, and in what is removed of what is left over there. */
export const bucket: Mutation[] = [
	{
		title: 'check: a backup that is being made counts as left over',
		file: `${KEEP}/check/index.ts`,
		right: 'lock && mayGoOn(lock, now()) ? lock.name : null',
		wrong: 'lock && mayGoOn(lock, now()) ? null : null',
		tests: CHECKED,
	},
	{
		title: 'check: a forged manifest is valid',
		file: `${KEEP}/check/open.ts`,
		right: 'isSignedSummary(stored, object.etag, keys)',
		wrong: 'isSignedSummary(stored, object.etag, keys.slice(1))',
		tests: CHECKED,
	},
	{
		title: 'check: a volume of another size is valid',
		file: JUDGE,
		right: 'expected != null && expected !== size',
		wrong: 'expected != null && expected < 0',
		tests: CHECKED,
	},
	{
		title: 'check: a volume that does not exist is not missed',
		file: JUDGE,
		right: 'filter((key) => !there.has(key))',
		wrong: 'filter((key) => there.size === 0 && key)',
		tests: CHECKED,
	},
	{
		title: 'check: a full backup on which another rests is not missed',
		file: JUDGE,
		right: 'if (!(await isThere(judging, parent)))',
		wrong: 'if (!(await isThere(judging, name)))',
		tests: CHECKED,
	},
	{
		title: 'check: a proof of somebody else is valid',
		file: JUDGE,
		right: 'proof !== null && key === proofKey(name, proof.at)',
		wrong: 'proof !== null || key.startsWith(`${name}.proof-`)',
		tests: CHECKED,
	},
	{
		title: 'check: the part of another database is foreign',
		file: JUDGE,
		right: 'if (others.includes(key)) return [];',
		wrong: 'if (others.includes(key.slice(1))) return [];',
		tests: CHECKED,
	},
	{
		title: 'check: it overwrites what it tries',
		file: JUDGE,
		right: "bucket.put(newest.key, '', { onlyIf: { etagMatches: 'none' } })",
		wrong: "bucket.put(newest.key, '', {})",
		tests: [...CHECKED, ...PAGES],
	},
	{
		title: 'check: what a lock rule keeps is told as if it went',
		file: JUDGE,
		right: "return ['locked', `${text}, and a lock rule keeps it`];",
		wrong: "return ['leftover', text];",
		tests: CHECKED,
	},
	{
		title: 'check: a failing call counts as a lock rule',
		file: JUDGE,
		right: 'if (!isLocked(error)) throw storageError(error);',
		wrong: 'if (error === null) throw storageError(error);',
		tests: PAGES,
	},
	{
		title: 'check: a page goes on within a folder',
		file: `${KEEP}/check/walk.ts`,
		right: 'key + LAST : key',
		wrong: 'key : key',
		tests: PAGES,
	},
	{
		title: 'check: a page passes over the backup at which it ends',
		file: `${KEEP}/check/index.ts`,
		right: 'if (seen >= MAX_OBJECTS || room() < CALLS_PER_BACKUP) throw new NoRoom();',
		wrong:
			'if (seen >= MAX_OBJECTS || room() < CALLS_PER_BACKUP) { end = item.end; throw new NoRoom(); }',
		tests: PAGES,
	},
	{
		title: 'leftovers: what is new goes',
		file: LEFTOVERS,
		right: 'uploaded + DAY_MS < now',
		wrong: 'uploaded < now + DAY_MS',
		tests: REMOVED,
	},
	{
		title: 'leftovers: a backup that was complete once goes with its manifest',
		file: LEFTOVERS,
		right: "if (fate === 'lost') return [];",
		wrong: "if (fate === 'gone') return [];",
		tests: REMOVED,
	},
	{
		title: 'leftovers: volumes go that a forged manifest does not name',
		file: LEFTOVERS,
		right: 'backups.filter(({ signed }) => signed)',
		wrong: 'backups.filter(({ name }) => name)',
		tests: REMOVED,
	},
	{
		title: 'leftovers: a Worker that was stalled can complete what is gone',
		file: LEFTOVERS,
		right: "mustBury = fateOf(name, found) === 'incomplete'",
		wrong: "mustBury = fateOf(name, found) === 'gone'",
		tests: REMOVED,
	},
	{
		title: 'leftovers: they go of a backup that may go on',
		file: LEFTOVERS,
		right: 'name === running ||',
		wrong: 'name === running?.slice(1) ||',
		tests: REMOVED,
	},
	{
		title: 'leftovers: they go although nothing may be removed',
		file: `${KEEP}/prune.ts`,
		right: 'if (trusted === 0 || isBlocked) return [];',
		wrong: 'if (trusted === 0) return [];',
		tests: REMOVED,
	},
	{
		title: 'leftovers: they go although the app has no backup',
		file: `${KEEP}/prune.ts`,
		right: 'if (trusted === 0 || isBlocked) return [];',
		wrong: 'if (isBlocked) return [];',
		tests: REMOVED,
	},
	{
		title: 'leftovers: all go at once that could be backups without a manifest',
		file: `${KEEP}/prune.ts`,
		right: '!mustBury || share-- > 0',
		wrong: '!mustBury || share > 0',
		tests: REMOVED,
	},
	{
		title: 'leftovers: they go before the audit log has them',
		file: `${KEEP}/prune.ts`,
		right:
			"await recordAll(retention, 'remove_leftovers', namesOf(leftovers));\n\treturn removeLeftovers({ engine, ...held }, leftovers);",
		wrong:
			"const gone = await removeLeftovers({ engine, ...held }, leftovers);\n\tawait recordAll(retention, 'remove_leftovers', namesOf(leftovers));\n\treturn gone;",
		tests: REMOVED,
	},
	{
		title: 'leftovers: a lock rule for one keeps all',
		file: LEFTOVERS,
		right: 'if (batch.length === 1) return [];',
		wrong: 'if (batch.length > 0) return [];',
		tests: REMOVED,
	},
];
