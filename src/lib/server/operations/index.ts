import type { R2Bucket } from '@cloudflare/workers-types';
import type { Sleep } from '../retry.ts';
import { dropAbandonedState } from '../backup/storage/lock.ts';
import { type Environment } from '../environment.ts';
import { backupSettings } from '../backup/settings.ts';
import { sleep } from '../backup/settings.ts';
import { expireJournal, journalBucket } from './audit-log.ts';
import { operationsSettings, type OperationsSettings } from './settings.ts';

/** What watching over operations needs of the world. */
export interface Operations {
	settings: OperationsSettings;
	/** Holds the backups, and what was told before. */
	bucket: R2Bucket;
	/** Holds the journal. */
	journal: R2Bucket;
	/** Origin of the app, for people who have several. */
	app: string;
	/** Milliseconds since 1970. */
	now(): number;
	sleep: Sleep;
}

const DAY_MS = 86_400_000;

/** The operations of the app at an address. Throws what its settings are wrong for. */
export function operationsOf(env: Environment | undefined, { origin }: URL): Operations {
	const { bucket } = backupSettings(env);
	return {
		settings: operationsSettings(env),
		...{ bucket, journal: journalBucket(env) ?? bucket },
		...{ app: origin, now: Date.now, sleep },
	};
}

/** From when on entries of the journal count, in milliseconds since 1970. */
export function journalStart({ settings, now }: Operations): number {
	return now() - settings.journalDays * DAY_MS;
}

/**
 * Removes personal data that has served its purpose: old entries of the journal, and the rows in the
 * lock of an abandoned backup. Never throws, since a lock rule may keep them: failures are logged.
 */
export async function forgetOld(operations: Operations): Promise<void> {
	await dropAbandonedState(operations);
	try {
		await expireJournal(operations.journal, journalStart(operations));
	} catch (error) {
		console.error('Old entries of the journal could not be removed:', error);
	}
}
