import { toLifeboatError } from '../errors.ts';
import { drillDatabase, type Environment, environmentOf, placeOf } from '../environment.ts';
import { manifestKey } from '../backup/format/names.ts';
import { BackupDiffers, type Proof } from '../backup/format/proof.ts';
import { drillBackup } from '../backup/prove/prove.ts';
import { backupBudget, engineOf } from '../backup/settings.ts';
import { newestBackup } from '../operations/due.ts';
import { watchProof } from '../operations/watch.ts';
import { type Plan, settled } from './plan.ts';
import { ownOperations, recordOwn, type Self, type Work } from './self.ts';

/** Databases that one call looks at: a call on the free plan has 50 calls of R2 and D1. */
const MAX_LOOKS = 3;

/**
 * Drills the newest backup of the first databases of the plan, if it can be read without a key and was
 * not drilled yet: one in each call. Throws `storage_error` (500).
 */
export async function drillNext(self: Self, plan: Plan): Promise<Work> {
	const { env, now } = self;
	const { pause } = backupBudget(env);
	const looks = plan.drills.slice(0, MAX_LOOKS);
	for (const [index, database] of looks.entries()) {
		const next = { ...settled(plan), drills: plan.drills.slice(index + 1), next: now() };
		const of = { env: environmentOf(env, database), now };
		const backup = await undrilled(of);
		if (backup === null) continue;
		const failure = await drill(of, backup);
		return { next: { ...next, next: now() + pause }, failure };
	}
	const drills = plan.drills.slice(looks.length);
	return { next: { ...settled(plan), drills, next: now() }, failure: null };
}

/** The name of the newest backup; null if it was drilled, or cannot be. */
async function undrilled({ env, now }: Self): Promise<string | null> {
	const newest = await newestBackup(ownOperations(env, now));
	const isEncrypted = newest?.files.some((file) => file.endsWith('.age'));
	return newest && newest.drilled === null && !isEncrypted ? newest.name : null;
}

/** Drills a backup, with the alerts of a call. Returns what failed; null if it is proven. */
async function drill(self: Self, backup: string): Promise<string | null> {
	const { env, now } = self;
	const startedAt = now();
	const entry = { operation: 'drill', backup, ...named(env) };
	try {
		const { rows, bytes } = await prove(self, backup);
		const durationMs = now() - startedAt;
		await recordOwn(self, { ...entry, outcome: 'done', durationMs, rows, bytes });
		return null;
	} catch (error) {
		console.error(error);
		const { code, status, message } = toLifeboatError(error);
		const durationMs = now() - startedAt;
		await recordOwn(self, { ...entry, outcome: 'failed', code, status, durationMs });
		return `The drill of ${backup} failed (${code}). ${message}`;
	}
}

async function prove({ env, now }: Self, backup: string): Promise<Proof> {
	const engine = { ...engineOf(env), now };
	const proof = await watchProof(ownOperations(env, now), () =>
		drillBackup(engine, drillDatabase(env), manifestKey(backup)),
	);
	if (!proof.proven) throw new BackupDiffers(proof);
	return proof;
}

/** The database, where the app has several. */
function named(env: Environment): { database?: string } {
	const { database, databases } = placeOf(env);
	return databases.length > 1 ? { database } : {};
}
