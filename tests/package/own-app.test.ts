import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LONG } from '../counts.ts';
import { sqlite3 } from '../operator.ts';
import { type Kind, OwnApp } from './own-app.ts';
import { packTarball } from './package.ts';

// Lifeboat in apps of somebody's own, made by `sv create` from the registry: in the long tests only.

const KINDS: [string, Kind & { options: string }][] = [
	[
		'a new app with drizzle and better-auth',
		{
			isWorker: false,
			addOns: ['drizzle=database:d1', 'better-auth=demo:password'],
			databases: ['DB'],
			bucket: null,
			options: 'lifeboat()',
		},
	],
	[
		'an app on Pages with two databases',
		{
			isWorker: false,
			addOns: [],
			databases: ['APP_DB', 'STATS_DB'],
			bucket: 'BACKUPS',
			options: "bucket: 'BACKUPS'",
		},
	],
	[
		'the same as a Worker',
		{
			isWorker: true,
			addOns: [],
			databases: ['APP_DB', 'STATS_DB'],
			bucket: 'BACKUPS',
			options: "bucket: 'BACKUPS'",
		},
	],
];

/** Lines of somebody's own files that adding Lifeboat may take. */
const MAX_LINES = 12;
const MINUTE_MS = 60_000;

let folder: string;
let tarball: string;

describe.runIf(LONG)('Lifeboat in', () => {
	beforeAll(() => {
		folder = mkdtempSync(join(tmpdir(), 'lifeboat-tarball-'));
		tarball = packTarball(folder);
	}, 5 * MINUTE_MS);
	afterAll(() => rmSync(folder, { recursive: true }));

	test.for(KINDS)(
		'%s: from its installation to proven backups',
		{ timeout: 20 * MINUTE_MS },
		async ([what, kind]) => {
			const app = new OwnApp(kind);
			try {
				app.create();
				for (const [index, binding] of kind.databases.entries()) {
					app.execute(binding, `CREATE TABLE boats (name); INSERT INTO boats VALUES ('${index}')`);
				}
				const before = app.problems();

				const startedAt = performance.now();
				app.npm('install', '--no-audit', '--no-fund', tarball);
				app.lifeboat('init', '--yes', '--no-encrypt');
				app.usePaidPlan();
				app.build();
				await app.start();
				app.lifeboat('backup', '--all');
				const drilled = app.lifeboat('drill', 'latest');
				const seconds = (performance.now() - startedAt) / 1000;

				expect(drilled).toContain('Proven');
				for (const [index, name] of namesIn(kind).entries()) requireRestored(app, name, index);
				expect(app.lifeboat('copy', '--to', join(app.folder, 'copies'))).toContain('copied');
				const hooks = execFileSync('cat', ['src/hooks.server.ts'], { cwd: app.folder });
				expect(hooks.toString()).toContain(kind.options);
				rmSync(join(app.folder, 'copies'), { recursive: true });
				for (const index of kind.databases.keys()) rmSync(join(app.folder, `${index}.db`));
				const lines = app.addedLines();
				console.log(`${what}: ${seconds.toFixed(0)} s from npm install to proven, ${lines} lines`);
				expect(app.problems()).toEqual(before);
				expect(lines).toBeLessThanOrEqual(MAX_LINES);
			} finally {
				app.remove();
			}
		},
	);
});

/** The names that `init` gives to an app's databases. */
function namesIn({ databases }: Kind): string[] {
	return databases.map((binding, index) =>
		index === 0 ? 'main' : binding.toLowerCase().replace('_db', ''),
	);
}

/** Restores the newest backup of a database, and compares the row that this one alone has. */
function requireRestored(app: OwnApp, database: string, index: number): void {
	const path = join(app.folder, `${index}.db`);
	app.lifeboat('restore', 'latest', '--database', database, '--to', path);
	expect(sqlite3(path, 'SELECT name FROM boats')).toBe(String(index));
}
