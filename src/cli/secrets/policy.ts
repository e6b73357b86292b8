import { readPolicy, SEED_POLICY } from '../../lib/server/backup/keep/policy.ts';
import { type CompletedEnv, completeWith, parseEnv } from './dotenv.ts';

const { daily = 0, weekly = 0, monthly = 0 } = SEED_POLICY.rules ?? {};
const WRITTEN = {
	BACKUP_KEEP_DAILY: String(daily),
	BACKUP_KEEP_WEEKLY: String(weekly),
	BACKUP_KEEP_MONTHLY: String(monthly),
};

/**
 * The settings with a retention policy, if the installation is new and has none. An older one keeps all its
 * backups until somebody decides otherwise. Throws a LifeboatError for a rule that is not valid.
 */
export function withPolicy(env: CompletedEnv): CompletedEnv {
	const isNew = env.made.includes('TOTP_SECRET');
	if (!isNew || readPolicy(parseEnv(env.text)).rules !== null) return env;
	return Object.entries(WRITTEN).reduce(
		(completed, [name, value]) => completeWith(completed, name, value),
		env,
	);
}

/** What the policy that was written means; empty if none was. */
export function explainPolicy({ made }: CompletedEnv): string {
	if (!made.includes('BACKUP_KEEP_DAILY')) return '';
	return `The retention policy is BACKUP_KEEP_DAILY=${daily}, _WEEKLY=${weekly} and _MONTHLY=${monthly}: backups that
no rule keeps are removed, after a grace of a week. docs/retention.md says how to choose your own.
`;
}
