import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newTotpSecret } from '../../src/cli/secrets/dotenv.ts';

// Projects that are deployed, as Pages and as a Worker.

const ROOT = join(import.meta.dirname, '../..');

export const ENV = `TOTP_SECRET=${newTotpSecret()}\nBACKUP_MAC_KEY=${'k'.repeat(44)}\nBACKUP_AGE_RECIPIENTS=\n`;

const WORKER = `{
	// A Worker with two databases, which have no ids yet.
	"name": "lifeboat",
	"main": ".svelte-kit/cloudflare/_worker.js",
	"compatibility_date": "2026-11-01",
	"d1_databases": [
		{ "binding": "APP_DB", "database_name": "app", "migrations_dir": "migrations" },
		{ "binding": "STATS_DB", "database_name": "stats", "database_id": "<id>" }
	],
	"r2_buckets": [{ "binding": "BACKUPS", "bucket_name": "app-backups" }]
}
`;

export const KINDS = {
	Pages: {
		file: 'wrangler.toml',
		text: readFileSync(join(ROOT, 'wrangler.toml'), 'utf8'),
		given: { databases: { main: 'DB' }, bucket: 'MY_BUCKET' },
		origin: 'https://lifeboat.pages.dev',
		databases: ['lifeboat'],
		buckets: { 'lifeboat-backups': { locks: ['full_backup_', 'incremental_backup_'] } },
	},
	Workers: {
		file: 'wrangler.jsonc',
		text: WORKER,
		given: { databases: { main: 'APP_DB', stats: 'STATS_DB' }, bucket: 'BACKUPS' },
		origin: 'https://lifeboat.somebody.workers.dev',
		databases: ['app', 'stats'],
		buckets: {
			'app-backups': {
				locks: [
					'full_backup_',
					'incremental_backup_',
					'stats/full_backup_',
					'stats/incremental_backup_',
				],
			},
		},
	},
} as const;

export type Kind = keyof typeof KINDS;
