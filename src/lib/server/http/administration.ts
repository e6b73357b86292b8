import { type Lockout, liftLockout, MAX_WRONG, readLockout } from '../access/lockout.ts';
import { requireOrigin } from '../access/origin.ts';
import { accessSettings, lockoutScope } from '../access/settings.ts';
import type { Environment } from '../environment.ts';
import { auditLogBucket, record } from '../operations/audit-log.ts';

/** The lockout, and what it depends on. */
export interface LockoutState extends Lockout {
	/** Wrong codes that trigger it. */
	maxWrong: number;
	/** Whether only callers with the API key can send a code. */
	isKeyed: boolean;
}

/** An administrator of the app, whom it has let in. */
interface Administrator {
	/** The account, as the audit log names it. */
	account: string;
	address: string;
}

/**
 * The lockout of six-digit codes. Throws `preview_refused` (403), `storage_error` (500), and what
 * {@link accessSettings} throws.
 */
export async function lockoutOf(url: URL, env: Environment): Promise<LockoutState> {
	requireOrigin(url, env);
	const { bucket, ...settings } = accessSettings(env);
	const lockout = await readLockout(bucket, lockoutScope(settings), Date.now());
	return { ...lockout, maxWrong: MAX_WRONG, isKeyed: settings.apiKey !== null };
}

/** Ends the lockout, and records who did. Throws the same as {@link lockoutOf}. */
export async function liftAs(
	url: URL,
	env: Environment,
	administrator: Administrator,
): Promise<void> {
	requireOrigin(url, env);
	const { bucket, ...settings } = accessSettings(env);
	await liftLockout(bucket, lockoutScope(settings));
	await record(auditLogBucket(env), {
		time: new Date().toISOString(),
		operation: 'lift_lock',
		outcome: 'done',
		caller: { kind: 'administrator', ...administrator },
	});
}
