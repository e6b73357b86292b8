import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { configuredDatabases, readByWrangler, readPlainly } from './configured-databases.ts';

const start = process.cwd();
let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-configured-'));
	mkdirSync(join(folder, 'app/src'), { recursive: true });
	process.chdir(join(folder, 'app'));
});
afterEach(() => {
	process.chdir(start);
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true });
});

const JSON_OF = (...ids: string[]) =>
	JSON.stringify({
		d1_databases: ids.map((id) => ({ binding: id.toUpperCase(), database_id: id })),
	});
const TOML = `name = "app"
[[d1_databases]]
binding = "DB" # the app's
database_name = "shop"
database_id = 'one'
preview_database_id = "two"
[[d1_databases]]
binding = "STATS"
[env.production]
d1_databases = [{ binding = "DB", database_id = "three" }]
`;

/** The fields that count of each database. */
const fields = (all: Awaited<ReturnType<typeof readPlainly>>) =>
	all?.map(({ binding, database_id, preview_database_id }) => [
		binding,
		database_id,
		preview_database_id,
	]);

test.for<[string, Record<string, string>]>([
	['no file', {}],
	['TOML', { 'wrangler.toml': TOML }],
	['TOML with an inline list', { 'wrangler.toml': 'd1_databases = [{ binding = "A" }]' }],
	['TOML without databases', { 'wrangler.toml': 'name = "app"' }],
	['an empty file', { 'wrangler.toml': '' }],
	['JSON', { 'wrangler.json': JSON_OF('a', 'b') }],
	['JSON with comments', { 'wrangler.jsonc': `// ours\n${JSON_OF('a').replace('}]', '},]')}` }],
	['comments in wrangler.json', { 'wrangler.json': `/* ours */ ${JSON_OF('a')}` }],
	['a file above', { '../wrangler.toml': TOML }],
	['two files', { 'wrangler.toml': TOML, 'wrangler.jsonc': JSON_OF('a') }],
	['another above, which comes first', { 'wrangler.toml': TOML, '../wrangler.json': JSON_OF('a') }],
	['a file below', { 'src/wrangler.toml': TOML }],
])('reads the databases as wrangler does: %s', async ([, files]) => {
	for (const [name, text] of Object.entries(files)) writeFileSync(name, text);
	const read = await readPlainly();
	expect(read).not.toBeNull();
	expect(fields(read)).toEqual(fields(readByWrangler()));
});

test.for<[string, string, string]>([
	['no TOML', 'wrangler.toml', 'name = '],
	['no JSON', 'wrangler.json', '{ "name": }'],
	['a list that is none', 'wrangler.json', '{ "d1_databases": {} }'],
	['no name', 'wrangler.json', '{ "d1_databases": [{ "database_id": "a" }] }'],
	['a number', 'wrangler.json', '{ "d1_databases": [{ "binding": "A", "database_id": 7 }] }'],
	['one name twice', 'wrangler.json', JSON_OF('a', 'a')],
])('leaves it to wrangler to refuse: %s', async ([, name, text]) => {
	writeFileSync(name, text);
	expect(await readPlainly()).toBeNull();
	await expect(configuredDatabases()).rejects.toThrow();
});

test('leaves environments to wrangler', async () => {
	writeFileSync('wrangler.toml', TOML);
	vi.stubEnv('CLOUDFLARE_ENV', 'production');
	expect(await readPlainly()).toBeNull();
	expect(fields(await configuredDatabases())).toEqual([['DB', 'three', undefined]]);
});
