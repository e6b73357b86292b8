import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import type { SqlDatabase } from '../database.ts';
import { MAX_QUERY_SECONDS } from '../limits.ts';
import { foldCase, RESTORE_MARKER } from '../sql.ts';
import { type Contents, readContents } from './contents.ts';

/**
 * What a restore does with what it finds in the database.
 *
 * - `refuse`: it needs an empty database.
 * - `replace`: everything was saved elsewhere and is removed.
 * - `leftover`: it needs an empty database, but removes what a killed restore has left if nothing
 *   else is there.
 * - `stay`: everything stays, because only single tables are restored.
 */
export type Existing = 'refuse' | 'replace' | 'leftover' | 'stay';

/**
 * Seconds without a write after which a restore counts as killed. Each of its transactions renews
 * the marker.
 */
const LEASE_SECONDS = 2 * MAX_QUERY_SECONDS;

/**
 * Checks that a restore may use the database.
 *
 * Throws `restore_running` (409) while another restore is using it, `target_not_empty` (409),
 * `name_taken` (409) if another object has the marker's name, and what the database throws.
 */
export async function requireClaimable(
	database: SqlDatabase,
	sleep: Sleep,
	existing: Existing,
): Promise<void> {
	requireFree(await readContents(database, sleep), existing);
}

/** The same for contents that have been read already. */
export function requireFree(contents: Contents, existing: Existing): void {
	requireNotRunning(contents);
	const { objects, marker } = contents;
	if (existing === 'replace' || existing === 'stay') {
		const taken = objects.find(({ name }) => foldCase(name) === RESTORE_MARKER);
		if (taken) throw nameTaken(taken.type);
		return;
	}
	const isLeftover = existing === 'leftover' && marker?.explains === true;
	if (objects.length > 0 && !isLeftover) throw notEmpty();
}

/**
 * Throws `restore_running` (409) if the contents have the marker of a restore that is still alive.
 */
export function requireNotRunning({ marker }: Contents): void {
	if (marker && Math.abs(marker.age) < LEASE_SECONDS) throw restoreRunning();
}

/** `restore_running` (409). */
export function restoreRunning(): LifeboatError {
	return new LifeboatError('A restore into this database is running. Nothing was changed.', {
		code: 'restore_running',
		status: 409,
		hint: 'Wait until it has finished. If it was killed, try again in a minute.',
		retryable: true,
		retryAfter: LEASE_SECONDS,
	});
}

function notEmpty(): LifeboatError {
	return new LifeboatError('The database to restore into is not empty. Nothing was changed.', {
		code: 'target_not_empty',
		status: 409,
		hint: 'Restore into a new database, or choose to replace the contents of this one.',
	});
}

function nameTaken(type: string): LifeboatError {
	return new LifeboatError(
		`The database has a ${type} named ${RESTORE_MARKER}, a name that restores need. Nothing was changed.`,
		{
			code: 'name_taken',
			status: 409,
			hint: 'No backup contains an object of this name. Rename it, or restore into a new database.',
		},
	);
}
