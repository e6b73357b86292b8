import '../memory-disk.ts';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/cli/embedded/server.ts';

// Shared by all tests: a migrated database, because migrating takes seconds, and a cache of compiled
// code, which halves the start-up time of every Node program. This is a global setup of vitest and
// Playwright; workers and the programs they run inherit its environment.

const VARIABLE = 'LIFEBOAT_MIGRATED';

/** Creates both. Returns a function that removes them after the last test. */
export default async function setup(): Promise<() => void> {
	const shared = mkdtempSync(join(tmpdir(), 'lifeboat-tests-'));
	const database = join(shared, 'database');
	process.env['NODE_COMPILE_CACHE'] = join(shared, 'code'); // https://nodejs.org/api/cli.html
	process.env[VARIABLE] = database;
	await migrate(database);
	return () => rmSync(shared, { recursive: true, force: true, maxRetries: 5 });
}

/** A new state folder with a migrated database, for `startServer` and the like. */
export function migratedFolder(): string {
	const origin = process.env[VARIABLE];
	if (!origin) throw new Error(`${VARIABLE} is not set: tests/app/shared.ts is a global setup.`);
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-app-'));
	cpSync(origin, folder, { recursive: true });
	return folder;
}
