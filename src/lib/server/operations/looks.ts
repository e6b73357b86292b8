import * as v from 'valibot';
import type { BackupSummary } from '../backup/format/manifest.ts';
import { healthMac, isHealthMac } from '../backup/format/signature.ts';
import { changeState, readState, type StateKind } from '../backup/storage/state.ts';
import type { Operations } from './index.ts';

// What the app remembers of each of its databases, so that a call for the health of all need not look
// at all. Signed: who can only write to the bucket must not be able to make the health good.

const Moment = v.nullable(v.pipe(v.number(), v.safeInteger()));

const LookSchema = v.object({
	/** When the database was looked at; 0 if it was not, and only its last backup is known. */
	at: v.pipe(v.number(), v.safeInteger()),
	/** When the newest backup started; null if there is none. Milliseconds since 1970, as all of these. */
	backup: Moment,
	/** The last verification and the last drill that proved a backup. */
	verification: Moment,
	drill: Moment,
	/** When the newest backup started whose last proofs have all succeeded. */
	provenBackup: Moment,
	/** How long other queries waited for the newest backup, in milliseconds. */
	waitedMs: Moment,
	/** How many backups retention removes; missing if it is not known. */
	removable: v.optional(v.pipe(v.number(), v.safeInteger())),
	/** What killed backups have left, and that a backup is planted. */
	warnings: v.array(v.string()),
});

/** What is known of a database's backups. */
export type Look = v.InferOutput<typeof LookSchema>;

/** By the name of the database. */
export type Looks = Record<string, Look>;

const LOOKS: StateKind<{ looks: Looks; mac: string }> = {
	key: 'operations/databases.json',
	schema: v.object({ looks: v.record(v.string(), LookSchema), mac: v.string() }),
	empty: { looks: {}, mac: '' },
};

const UNSEEN: Look = {
	...{ at: 0, backup: null, verification: null, drill: null, provenBackup: null, waitedMs: null },
	warnings: [],
};

type Context = Pick<Operations, 'appBucket' | 'keys'>;

/** What the app remembers; nothing if it was not signed by the app. Throws `storage_error` (500). */
export async function readLooks({ appBucket, keys }: Context): Promise<Looks> {
	const { looks, mac } = await readState(appBucket, LOOKS);
	return isHealthMac(mac, looks, keys()) ? looks : {};
}

/** Changes what the app remembers, and returns it. Throws `storage_error` (500), `state_contended` (503). */
export async function changeLooks(
	{ appBucket, keys }: Context,
	change: (looks: Looks) => Looks,
): Promise<Looks> {
	const all = keys();
	const [key] = all;
	const { looks } = await changeState(appBucket, LOOKS, ({ looks, mac }) => {
		const next = change(isHealthMac(mac, looks, all) ? looks : {});
		return { looks: next, mac: key ? healthMac(next, key) : '' };
	});
	return looks;
}

/**
 * Remembers the newest backups of databases, so that the health need not look. Never throws: failures
 * are logged, and the health looks for itself in time.
 */
export async function rememberBackups(
	operations: Operations,
	backups: readonly { database: string; backup: BackupSummary }[],
): Promise<void> {
	if (backups.length === 0) return;
	const change = (looks: Looks) => {
		const made = backups.map(({ database, backup }) => {
			const { startedAt, waitedMs = null } = backup;
			return [
				database,
				{ ...(looks[database] ?? UNSEEN), backup: Date.parse(startedAt), waitedMs },
			];
		});
		return { ...looks, ...Object.fromEntries(made) };
	};
	try {
		await changeLooks(operations, change);
	} catch (error) {
		console.error('The newest backups could not be remembered:', error);
	}
}

/** Remembers a look at a database, once it is read. Never throws, in the same way. */
export async function rememberLook(
	operations: Operations,
	reading: Promise<{ look: Look }>,
): Promise<void> {
	const { name } = operations;
	try {
		const { look: seen } = await reading;
		await changeLooks(operations, (looks) => ({ ...looks, [name]: seen }));
	} catch (error) {
		console.error('The newest proof could not be remembered:', error);
	}
}
