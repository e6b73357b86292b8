import {
	appendFileSync,
	cpSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

// The built app, mounted with two databases: `main`, which is `DB`, and `stats`.

/** The id of the second database. */
export const STATS_ID = '00000000-0000-0000-0000-000000000002';

const CONFIGURATIONS = ['wrangler.toml', 'wrangler.worker.toml'];
/** What wrangler bundles, with the aliases of imports. */
const PARTS = [
	'.svelte-kit/cloudflare',
	'.svelte-kit/cloudflare-tmp',
	'.svelte-kit/output/server',
	'.svelte-kit/tsconfig.json',
	'src',
	'tsconfig.json',
	'worker.js',
	...CONFIGURATIONS,
];
const BINDING = `
[[d1_databases]]
binding = "STATS"
database_name = "stats"
database_id = "${STATS_ID}"
`;
/** In src/backups.server.ts. */
const MOUNT = 'lifeboat({ authorize })';
const MOUNTED = "lifeboat({ authorize, databases: { main: 'DB', stats: 'STATS' } })";

/** Makes it in a new folder, for {@link startPeople}. Throws an Error if the app is mounted in another way. */
export function buildTwoDatabases(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-two-'));
	for (const part of PARTS) cpSync(part, join(folder, part), { recursive: true });
	symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
	for (const file of CONFIGURATIONS) appendFileSync(join(folder, file), BINDING);
	const server = join(folder, '.svelte-kit/output/server');
	const path = readdirSync(server, { recursive: true, encoding: 'utf8' })
		.filter((file) => file.endsWith('.js'))
		.map((file) => join(server, file))
		.find((file) => readFileSync(file, 'utf8').includes(MOUNT));
	if (path === undefined) throw new Error(`No part of the built app has ${MOUNT}.`);
	writeFileSync(path, readFileSync(path, 'utf8').replace(MOUNT, MOUNTED));
	return folder;
}
