import { LOCK_KEYS } from './lock.ts';
import { PROBE } from './probe.ts';

/** The folders in a database's part of the bucket that hold what Lifeboat remembers (docs/bucket.md). */
export const OWN_FOLDERS = ['access/', 'journal/', 'keep/', 'operations/'];

/** The single objects there that are Lifeboat's and belong to no backup. */
export const OWN_OBJECTS = [...Object.values(LOCK_KEYS), PROBE];
