import { address, type Environment, number } from '../environment.ts';

const HOUR_MS = 3_600_000;
/** 32 days: a month, and one day more for a schedule that is late. */
const USUAL_MAX_AGE_HOURS = 768;
const USUAL_SIZE_FACTOR = 2;
const USUAL_LOG_DAYS = 90;
const MAX_LOG_DAYS = 3650;

/** Whom to notify, and when. */
export interface OperationsSettings {
	/** Where alerts are sent; null for nowhere. A secret: anyone who knows it can write there. */
	webhook: URL | null;
	/** Where the start and end of each backup are reported; null for nowhere. Also a secret. */
	ping: URL | null;
	/** The age from which the newest backup is too old. */
	maxAgeMs: number;
	/** A backup that is this many times larger or smaller than the one before raises an alert. */
	sizeFactor: number;
	/** Days for which entries of the audit log are kept. */
	auditLogDays: number;
}

/** Throws LifeboatError (500): `<name>_invalid`, as in `alert_webhook_url_invalid`. */
export function operationsSettings(env: Environment | undefined): OperationsSettings {
	const maxAgeHours = number(env, 'BACKUP_MAX_AGE_HOURS', {
		usual: USUAL_MAX_AGE_HOURS,
		fits: (hours) => hours > 0,
		what: 'a number of hours above 0',
	});
	const sizeFactor = number(env, 'ALERT_SIZE_FACTOR', {
		usual: USUAL_SIZE_FACTOR,
		fits: (factor) => factor > 1,
		what: 'a number above 1',
	});
	const auditLogDays = number(env, 'BACKUP_JOURNAL_DAYS', {
		usual: USUAL_LOG_DAYS,
		fits: (days) => Number.isInteger(days) && days >= 1 && days <= MAX_LOG_DAYS,
		what: `a whole number of days from 1 to ${MAX_LOG_DAYS}`,
	});
	return {
		webhook: address(env, 'ALERT_WEBHOOK_URL'),
		ping: address(env, 'HEALTHCHECK_PING_URL'),
		maxAgeMs: maxAgeHours * HOUR_MS,
		sizeFactor,
		auditLogDays,
	};
}
