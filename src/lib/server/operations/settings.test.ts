import { expect, test } from 'vitest';
import { operationsSettings } from './settings.ts';

const DAY = 86_400_000;

test('by default there are no alerts, and a backup is too old after 32 days', () => {
	expect(operationsSettings({})).toEqual({
		...{ webhook: null, ping: null, maxAgeMs: 32 * DAY, sizeFactor: 2, auditLogDays: 90 },
	});
});

test('settings are read as given', () => {
	expect(
		operationsSettings({
			ALERT_WEBHOOK_URL: ' https://hooks.slack.com/services/a/b/c ',
			HEALTHCHECK_PING_URL: 'http://localhost:8000/ping/x',
			...{ BACKUP_MAX_AGE_HOURS: '24', ALERT_SIZE_FACTOR: '1.5', BACKUP_JOURNAL_DAYS: '7' },
		}),
	).toEqual({
		webhook: new URL('https://hooks.slack.com/services/a/b/c'),
		ping: new URL('http://localhost:8000/ping/x'),
		...{ maxAgeMs: DAY, sizeFactor: 1.5, auditLogDays: 7 },
	});
});

test.for([
	['ALERT_WEBHOOK_URL', 'http://hooks.example.com/s3cret'],
	['ALERT_WEBHOOK_URL', 's3cret'],
	['HEALTHCHECK_PING_URL', 'ftp://ping.example.com/s3cret'],
	['BACKUP_MAX_AGE_HOURS', '0'],
	['BACKUP_MAX_AGE_HOURS', 'a s3cret day'],
	['BACKUP_MAX_AGE_HOURS', '-1'],
	['ALERT_SIZE_FACTOR', '1'],
	['ALERT_SIZE_FACTOR', '1e9'],
	['BACKUP_JOURNAL_DAYS', '0'],
	['BACKUP_JOURNAL_DAYS', '1.5'],
	['BACKUP_JOURNAL_DAYS', '4000'],
])('%s=%s is refused, and the value is not echoed', ([name = '', value = '']) => {
	const read = () => operationsSettings({ [name]: value });
	expect(read).toThrow(
		expect.objectContaining({ code: `${name.toLowerCase()}_invalid`, status: 500 }),
	);
	expect(read).not.toThrow(/s3cret/);
});
