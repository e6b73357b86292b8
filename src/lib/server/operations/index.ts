import type { R2Bucket } from '@cloudflare/workers-types';
import { backupSettings, type Environment } from '../config.ts';
import { journalBucket } from './journal.ts';
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
}

/** The operations of the app at an address. Throws what its settings are wrong for. */
export function operationsOf(env: Environment | undefined, { origin }: URL): Operations {
	const { bucket } = backupSettings(env);
	return {
		settings: operationsSettings(env),
		...{ bucket, journal: journalBucket(env) ?? bucket },
		...{ app: origin, now: Date.now },
	};
}
