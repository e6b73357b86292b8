import { env } from 'cloudflare:workers';
import type { Operations } from '../src/lib/server/operations/index.ts';

const HOUR = 3_600_000;

/** The operations of an app with only the given settings. */
export function operationsOn(
	now: () => number,
	settings: Partial<Operations['settings']> = {},
): Operations {
	const usual = { webhook: null, ping: null, maxAgeMs: 24 * HOUR, sizeFactor: 2, auditLogDays: 30 };
	return {
		settings: { ...usual, ...settings },
		database: env.DB,
		name: 'main',
		isOneOfSeveral: false,
		bucket: env.MY_BUCKET,
		appBucket: env.MY_BUCKET,
		keys: () => [],
		policy: () => ({ rules: null, minDays: 0, maxPercent: 25 }),
		auditLog: env.MY_BUCKET,
		app: 'https://app.example',
		now,
		sleep: async () => {},
	};
}
