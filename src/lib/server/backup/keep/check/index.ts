import { LifeboatError } from '../../../errors.ts';
import type { Engine } from '../../engine.ts';
import { countedBucket } from '../../metered.ts';
import { mayGoOn, readLock } from '../../storage/lock.ts';
import { readMarks } from '../marks.ts';
import { addFindings, type CheckedPage, noFindings } from './findings.ts';
import { CALLS_PER_BACKUP, judge, type Judging } from './judge.ts';
import { walk } from './walk.ts';

/** Objects of one page, or a few more: each that is not valid is in the answer. */
const MAX_OBJECTS = 10_000;

/** Which part of the bucket to check. */
export interface CheckQuery {
	/** Of the page before. */
	cursor?: string | undefined;
	/** Folders, with a slash at the end, that hold the backups of other databases. */
	others?: readonly string[];
}

/**
 * Tells what the objects in a database's part of the bucket are, as many as one call of the app can look at.
 * Changes nothing. What lies in folders is not looked at: foreign ones are named, and others hold what
 * Lifeboat remembers.
 *
 * Throws `too_many_objects` (409) if one backup has more objects than one call can list, `storage_error` (500).
 */
export async function checkBucket(
	engine: Engine,
	{ cursor, others = [] }: CheckQuery,
): Promise<CheckedPage> {
	const used = { calls: 0 };
	const counted = { ...engine, bucket: countedBucket(engine.bucket, used) };
	const room = roomOf(engine, used);
	const judging = await judgingOf(counted, others);
	const page = noFindings();
	let [seen, end] = [0, cursor];
	try {
		const mayList = () => {
			if (room() <= 0) throw new NoRoom();
		};
		for await (const item of walk(counted.bucket, cursor, mayList)) {
			if (seen >= MAX_OBJECTS || room() < CALLS_PER_BACKUP) throw new NoRoom();
			addFindings(page, await judge(judging, item));
			seen += item.objects.length + item.others.length;
			end = item.end;
		}
		return { ...page, cursor: null };
	} catch (error) {
		if (!(error instanceof NoRoom)) throw error;
		if (seen === 0) throw tooManyObjects();
		return { ...page, cursor: end ?? null };
	}
}

/** The call has done its share. */
class NoRoom extends Error {}

/** Calls that are left; none once the call's time is over. */
function roomOf({ budget, now }: Engine, used: { calls: number }): () => number {
	const startedAt = now();
	return () => (now() - startedAt < budget.milliseconds ? budget.calls - used.calls : 0);
}

async function judgingOf(engine: Engine, others: readonly string[]): Promise<Judging> {
	const { bucket, keys, now } = engine;
	const [lock, marks] = await Promise.all([readLock(bucket, 'backup'), readMarks(engine)]);
	const running = lock && mayGoOn(lock, now()) ? lock.name : null;
	return { bucket, keys, marks, running, others, parents: new Map() };
}

function tooManyObjects(): LifeboatError {
	return new LifeboatError(
		'One backup has more objects in the bucket than one call on this plan can list.',
		{
			code: 'too_many_objects',
			status: 409,
			hint: 'If the account is on the paid plan, set BACKUP_PLAN to paid.',
		},
	);
}
