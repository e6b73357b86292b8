import { KINDS } from '../../lib/server/backup/format/names.ts';
import { fullDays } from '../../lib/server/backup/settings.ts';
import { readEnvFile } from './dotenv.ts';

/** Days for which every backup is safe from everyone. */
export const LOCK_DAYS = 90;

/** A lock rule of R2. */
export interface LockRule {
	name: string;
	prefix: string;
	/** From the upload of an object on. */
	days: number;
}

/**
 * The lock rules of a database: `isFirst` if its backups have no prefix. A differential is worth nothing
 * without its full backup, which may be BACKUP_FULL_DAYS older, so full ones are locked for longer. Throws
 * `backup_full_days_invalid` (500).
 */
export function lockRules(database: string, isFirst: boolean): LockRule[] {
	const longer = Math.ceil(fullDays(readEnvFile()));
	const suffix = isFirst ? '' : `-${database}`;
	return KINDS.map((kind) => ({
		name: (kind === 'full' ? 'keep-backups' : 'keep-differentials') + suffix,
		prefix: `${isFirst ? '' : `${database}/`}${kind}_backup_`,
		days: kind === 'full' ? LOCK_DAYS + longer : LOCK_DAYS,
	}));
}
