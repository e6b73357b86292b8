import '../memory-disk.ts';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalFile } from '../local-database.ts';
import type { Product } from '../../src/cli/embedded/server.ts';

// Shared by all tests: a migrated database, and a cache of compiled code, which halves the start-up time of
// every Node program. This is a global setup of vitest and Playwright; workers and the programs they run
// inherit its environment.

const VARIABLE = 'LIFEBOAT_SHARED';
const DATABASE = 'database';

/** Creates both. Returns a function that removes them after the last test. */
export default function setup(): () => void {
	const shared = mkdtempSync(join(tmpdir(), 'lifeboat-tests-'));
	process.env['NODE_COMPILE_CACHE'] = join(shared, 'code'); // https://nodejs.org/api/cli.html
	process.env[VARIABLE] = shared;
	migrate(join(shared, DATABASE));
	return () => rmSync(shared, { recursive: true, force: true, maxRetries: 5 });
}

/** What `wrangler d1 migrations apply` does, which takes seconds: the test of the demo runs that. */
function migrate(persistTo: string): void {
	using database = openLocalFile(persistTo);
	database.exec(`CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
		applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`);
	const applied = database.prepare('INSERT INTO d1_migrations (name) VALUES (?)');
	for (const name of readdirSync('migrations').sort()) {
		database.exec(readFileSync(join('migrations', name), 'utf8'));
		applied.run(name);
	}
}

/** A folder for what several tests need, which is removed after the last one. */
export function sharedFolder(): string {
	const shared = process.env[VARIABLE];
	if (!shared) throw new Error(`${VARIABLE} is not set: tests/app/shared.ts is a global setup.`);
	return shared;
}

/** A new state folder with a migrated database, for `startServer` and the like. */
export function migratedFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-app-'));
	cpSync(join(sharedFolder(), DATABASE), folder, { recursive: true });
	return folder;
}

/** What the tests run the app as: Pages, or a Worker with LIFEBOAT_APP=worker. */
export function product(): Product {
	return process.env['LIFEBOAT_APP'] === 'worker' ? 'worker' : 'pages';
}
