import type { Environment } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

const HOUR_MS = 3_600_000;
/** 32 days: a month, and a day for a schedule that is late. */
const USUAL_MAX_AGE_HOURS = 768;
const USUAL_SIZE_FACTOR = 2;
const USUAL_JOURNAL_DAYS = 90;
const MAX_JOURNAL_DAYS = 3650;

/** What is told to whom, and when. */
export interface OperationsSettings {
	/** Where alerts go; null for nowhere. A secret: whoever has it can write there. */
	webhook: URL | null;
	/** Where is told that a backup begins and how it ends; null for nowhere. A secret as well. */
	ping: URL | null;
	/** Age from which a backup is too old. */
	maxAgeMs: number;
	/** A backup of so many times the size of the one before, or so small a part of it, is an alert. */
	sizeFactor: number;
	/** Days for which the journal is kept. */
	journalDays: number;
}

type Name = 'BACKUP_MAX_AGE_HOURS' | 'ALERT_SIZE_FACTOR' | 'BACKUP_JOURNAL_DAYS';

/**
 * The settings of operations. Throws LifeboatError (500) with the name of the setting in its code, as in
 * `alert_webhook_url_invalid`, and without its value.
 */
export function operationsSettings(env: Environment | undefined): OperationsSettings {
	const hours = number(env, 'BACKUP_MAX_AGE_HOURS', USUAL_MAX_AGE_HOURS);
	const sizeFactor = number(env, 'ALERT_SIZE_FACTOR', USUAL_SIZE_FACTOR);
	const journalDays = number(env, 'BACKUP_JOURNAL_DAYS', USUAL_JOURNAL_DAYS);
	if (hours <= 0) throw invalid('BACKUP_MAX_AGE_HOURS', 'a number of hours above 0');
	if (sizeFactor <= 1) throw invalid('ALERT_SIZE_FACTOR', 'a number above 1');
	if (!Number.isInteger(journalDays) || journalDays < 1 || journalDays > MAX_JOURNAL_DAYS) {
		throw invalid('BACKUP_JOURNAL_DAYS', `a whole number of days from 1 to ${MAX_JOURNAL_DAYS}`);
	}
	return {
		webhook: address(env, 'ALERT_WEBHOOK_URL'),
		ping: address(env, 'HEALTHCHECK_PING_URL'),
		...{ maxAgeMs: hours * HOUR_MS, sizeFactor, journalDays },
	};
}

function number(env: Environment | undefined, name: Name, usual: number): number {
	const text = env?.[name]?.trim();
	if (!text) return usual;
	if (/^\d{1,6}(\.\d{1,6})?$/.test(text)) return Number(text);
	throw invalid(name, 'a number');
}

function address(
	env: Environment | undefined,
	name: 'ALERT_WEBHOOK_URL' | 'HEALTHCHECK_PING_URL',
): URL | null {
	const text = env?.[name]?.trim();
	if (!text) return null;
	const url = URL.canParse(text) ? new URL(text) : null;
	const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '');
	if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return url;
	throw invalid(name, 'an https address');
}

function invalid(name: string, what: string): LifeboatError {
	return new LifeboatError(`The setting ${name} is not understood.`, {
		code: `${name.toLowerCase()}_invalid`,
		status: 500,
		hint: `Set it to ${what}, or leave it out.`,
	});
}
