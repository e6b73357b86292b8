import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/cli/embedded/server.ts';

// One database with the migrations for all tests, as applying them takes seconds: a global setup of
// vitest and of Playwright. Workers inherit the environment, and with it where the database is.

const VARIABLE = 'LIFEBOAT_MIGRATED';

/** Makes the database. Returns what removes it after the last test. */
export default async function setup(): Promise<() => void> {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-migrated-'));
	process.env[VARIABLE] = folder;
	await migrate(folder);
	return () => rmSync(folder, { recursive: true, force: true });
}

/** A new folder of state, for `startServer` and the like, in which the migrations are applied. */
export function migratedFolder(): string {
	const origin = process.env[VARIABLE];
	if (!origin) throw new Error(`${VARIABLE} is not set: tests/app/migrated.ts is a global setup.`);
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-app-'));
	cpSync(origin, folder, { recursive: true });
	return folder;
}
