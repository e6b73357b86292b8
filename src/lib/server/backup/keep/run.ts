import { LifeboatError, toLifeboatError } from '../../errors.ts';
import type { AfterBackup, Engine } from '../engine.ts';
import { countedBucket } from '../metered.ts';
import { acquireLock } from '../storage/lock.ts';
import type { Retention } from './outlook.ts';
import { prune, type Pruned } from './prune.ts';

/** What the lock of backups says while a run without a backup holds it: the name of no backup. */
const LOCK_NAME = 'prune';
/**
 * Calls that a run without a backup may make more than what `Budget.calls` leaves: those that are kept
 * apart there for the bucket during a dump.
 */
const CALLS_WITHOUT_DUMP = 10;

/**
 * What follows a backup: a run within what is left of its call, whose end `report` gets. `retentionOf` may
 * throw, if a setting is not valid.
 */
export function pruneAfter(
	engine: Engine,
	retentionOf: () => Retention,
	report: (end: { pruned: Pruned } | { failure: LifeboatError }) => void,
): AfterBackup {
	return async (held) => {
		try {
			const { used, ...counted } = counting(engine, retentionOf());
			const room = () => held.room() - used.calls;
			const pruned = await prune(counted.engine, counted.retention, { ...held, room });
			if (pruned) report({ pruned });
		} catch (error) {
			console.error('Old backups were not pruned; the next run goes on:', error);
			report({ failure: toLifeboatError(error) });
		}
	};
}

/**
 * A run by itself, under the lock of backups. Throws `backup_running` (409), and what {@link prune} throws.
 */
export async function pruneNow(engine: Engine, retention: Retention): Promise<Pruned> {
	const { budget, now } = engine;
	const startedAt = now();
	const { used, ...counted } = counting(engine, retention);
	const room = () =>
		now() - startedAt < budget.milliseconds ? budget.calls + CALLS_WITHOUT_DUMP - used.calls : 0;
	const lock = await acquireLock(counted.engine, 'backup', LOCK_NAME);
	try {
		const held = { confirm: () => lock.confirm(), room };
		const pruned = await prune(counted.engine, counted.retention, held);
		if (pruned === null) throw tooManyObjects();
		return pruned;
	} finally {
		await lock.release();
	}
}

/** What a run works with; `used` counts its calls of the bucket and of the audit log. */
function counting(engine: Engine, retention: Retention) {
	const used = { calls: 0 };
	return {
		used,
		engine: { ...engine, bucket: countedBucket(engine.bucket, used) },
		retention: {
			...retention,
			record: (...entry: Parameters<Retention['record']>) => {
				used.calls++;
				return retention.record(...entry);
			},
		},
	};
}

function tooManyObjects(): LifeboatError {
	return new LifeboatError('The bucket holds more objects than one call on this plan can list.', {
		code: 'too_many_objects',
		status: 409,
		hint: 'Nothing was removed. If the account is on the paid plan, set BACKUP_PLAN to paid; if not, remove some of the oldest backups by hand (docs/retention.md).',
	});
}
