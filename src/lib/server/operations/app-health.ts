import type { R2Bucket } from '../platform.ts';
import { CACHE_MS, type Health, healthOf, lookAt, NO_WEBHOOK } from './health.ts';
import { type Operations, removeOldEntries } from './index.ts';
import { changeLooks, type Look, type Looks, readLooks } from './looks.ts';

/**
 * Databases that one call looks at: each takes up to ten calls of R2, D1 and the receiver of alerts, and
 * on the free plan a call of the app has 50.
 */
const LOOKS_PER_CALL = 4;

const NOT_SEEN: Omit<Look, 'at'> = {
	...{ backup: null, verification: null, drill: null, provenBackup: null, waitedMs: null },
	warnings: ['It could not be looked at: the log of the app says why.'],
};

/** The state of the backups of all databases. Its own fields are the worst of theirs. */
export interface AppHealth extends Health {
	/** Databases at which nobody has looked yet, which is not healthy. */
	unchecked: number;
	databases: Record<string, Pick<Health, 'healthy' | 'ages' | 'waitedMs'>>;
}

/** What it is read with. */
export interface AppHealthContext {
	/** Of the app. */
	operations: Operations;
	databases: readonly string[];
	/** Throws LifeboatError (500) if the binding of the database is missing. */
	of(database: string): Operations;
}

const answers = new WeakMap<R2Bucket, { until: number; health: Promise<AppHealth> }>();

/**
 * The state of the backups of all databases, at most a minute old. Looks at a few of them, those that
 * nobody has looked at for longest, and goes by what the app remembers of the others: its backups and
 * proofs tell it. Throws `storage_error` (500).
 */
export function readAppHealth(context: AppHealthContext): Promise<AppHealth> {
	const { appBucket, now } = context.operations;
	const known = answers.get(appBucket);
	if (known && known.until > now()) return known.health;
	const health = checkAppHealth(context);
	answers.set(appBucket, { until: now() + CACHE_MS, health });
	return health;
}

async function checkAppHealth(context: AppHealthContext): Promise<AppHealth> {
	const { operations, databases } = context;
	const before = await readLooks(operations);
	const at = (database: string) => before[database]?.at ?? -1;
	const next = databases.toSorted((a, b) => at(a) - at(b)).slice(0, LOOKS_PER_CALL);
	const seen: Looks = {};
	for (const database of next) seen[database] = await look(context, database);
	const looks = await changeLooks(operations, (looks) => {
		const known = Object.entries({ ...looks, ...seen });
		return Object.fromEntries(known.filter(([database]) => databases.includes(database)));
	});
	await removeOldEntries(operations);
	return worstOf(context, looks);
}

/** A database that cannot be looked at is not healthy, and does not keep the others from being so. */
async function look({ operations, of }: AppHealthContext, database: string): Promise<Look> {
	try {
		return await lookAt(of(database));
	} catch (error) {
		console.error(`The backups of ${database} could not be looked at:`, error);
		return { at: operations.now(), ...NOT_SEEN };
	}
}

function worstOf({ operations, databases }: AppHealthContext, looks: Looks): AppHealth {
	const { settings, policy } = operations;
	const unchecked = databases.filter((database) => !looks[database]?.at).length;
	const all = databases.flatMap((database) => {
		const look = looks[database];
		return look ? [{ database, ...healthOf(operations, look) }] : [];
	});
	const ages = (kind: keyof Health['ages']) => all.map((one) => one.ages[kind]);
	const oldest = (kind: keyof Health['ages']) =>
		unchecked > 0 || ages(kind).includes(null) ? null : Math.max(...ages(kind).map(Number));
	const counts = all.map(({ retention }) => retention.removable);
	const waits = all.flatMap(({ waitedMs }) => (waitedMs === null ? [] : [waitedMs]));
	return {
		healthy: unchecked === 0 && all.every(({ healthy }) => healthy),
		maxAgeHours: all[0]?.maxAgeHours ?? settings.maxAgeMs / 3_600_000,
		ages: {
			backup: oldest('backup'),
			verification: oldest('verification'),
			drill: oldest('drill'),
			provenBackup: oldest('provenBackup'),
		},
		waitedMs: waits.length > 0 ? Math.max(...waits) : null,
		retention: {
			isSet: policy().rules !== null,
			removable: unchecked > 0 || counts.includes(null) ? null : sum(counts),
		},
		warnings: [
			...(settings.webhook === null ? [NO_WEBHOOK] : []),
			...all.flatMap(({ database, warnings }) => warnings.map((text) => `${database}: ${text}`)),
		],
		unchecked,
		databases: Object.fromEntries(
			all.map(({ database, healthy, ages, waitedMs }) => [database, { healthy, ages, waitedMs }]),
		),
	};
}

function sum(counts: readonly (number | null)[]): number {
	return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}
