import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unstable_readConfig } from 'wrangler';
import { editConfig, LEAST_DATE, missing, otherEnvironments, readConfig } from './config.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The text that a configuration gets, or null. */
function edited(file: string, text: string, used?: string): string | null {
	writeFileSync(join(folder, file), text);
	const config = readConfig(folder);
	return editConfig(config, missing(config, 'shop', used).changes);
}

/** What wrangler itself reads in a file. */
function readByWrangler(file: string, text: string, env?: string) {
	const path = join(folder, file);
	writeFileSync(path, text);
	const config = unstable_readConfig({ config: path, ...(env && { env }) }, { hideWarnings: true });
	const { r2_buckets, compatibility_flags, compatibility_date, d1_databases } = config;
	return { r2_buckets, compatibility_flags, compatibility_date, d1_databases };
}

const ADDED = { binding: 'MY_BUCKET', bucket_name: 'shop-backups' };

const TOML = `# The app.
name = "shop"
compatibility_date = "2024-01-01" # pinned
pages_build_output_dir = ".svelte-kit/cloudflare"

# The database.
[[d1_databases]]
binding = "DB" # the app's
database_name = "shop"
database_id = "1"

[vars]
A = "b"
# the end
`;

test('a table, a flag and a newer date in TOML', () => {
	expect(edited('wrangler.toml', TOML)).toBe(`# The app.
name = "shop"
compatibility_date = "${LEAST_DATE}" # pinned
compatibility_flags = ["nodejs_compat"]
pages_build_output_dir = ".svelte-kit/cloudflare"

# The database.
[[d1_databases]]
binding = "DB" # the app's
database_name = "shop"
database_id = "1"

[vars]
A = "b"
# the end

[[r2_buckets]]
binding = "MY_BUCKET"
bucket_name = "shop-backups"
`);
});

const JSONC = `{
	// The app.
	"name": "shop",
	"compatibility_date": "2025-09-27", // pinned
	/* The database. */
	"d1_databases": [
		{
			"binding": "DB", // the app's
			"database_name": "shop",
			"database_id": "1"
		}
	] // the end
}
`;

test('a bucket and a flag in JSONC', () => {
	expect(edited('wrangler.jsonc', JSONC)).toBe(`{
	// The app.
	"name": "shop",
	"compatibility_date": "2025-09-27", // pinned
	"compatibility_flags": ["nodejs_compat"],
	/* The database. */
	"d1_databases": [
		{
			"binding": "DB", // the app's
			"database_name": "shop",
			"database_id": "1"
		}
	], // the end
	"r2_buckets": [{ "binding": "MY_BUCKET", "bucket_name": "shop-backups" }]
}
`);
});

const DB = { binding: 'DB', database_name: 'shop', database_id: '1' };
const MAIN = { name: 'shop', main: 'index.js', compatibility_date: '2025-01-01' };

const LAYOUTS: [string, string][] = [
	['wrangler.toml', TOML],
	['wrangler.toml', TOML.trimEnd()],
	['wrangler.toml', TOML.replace(/^compatibility_date.*\n/m, '')],
	[
		'wrangler.toml',
		TOML.replace(/^compat/m, 'compatibility_flags = [\n  "nodejs_als", # why\n]\ncompat'),
	],
	['wrangler.toml', TOML.replace(/^compat/m, 'compatibility_flags = []\ncompat')],
	['wrangler.toml', `${TOML}\n[[r2_buckets]]\nbinding = "UPLOADS"\nbucket_name = "uploads"\n`],
	[
		'wrangler.toml',
		`[[r2_buckets]]\nbinding = "UPLOADS"\nbucket_name = "uploads"\n${TOML.slice(TOML.indexOf('[[d1'))}`,
	],
	['wrangler.toml', `r2_buckets = [{ binding = "UPLOADS", bucket_name = "uploads" }]\n${TOML}`],
	[
		'wrangler.toml',
		`name = 'shop'\nd1_databases = [\n  { binding = "DB", database_name = "shop", database_id = "1" }, # x\n]\n`,
	],
	['wrangler.jsonc', JSONC],
	['wrangler.jsonc', JSONC.replace('] // the end', '], // the end')],
	['wrangler.jsonc', JSONC.replace(/\t"compatibility_date.*\n/, '')],
	[
		'wrangler.jsonc',
		JSONC.replace('"compatibility_date"', '"compatibility_flags": [],\n\t"compatibility_date"'),
	],
	[
		'wrangler.jsonc',
		JSONC.replace(
			'"compatibility_date"',
			'"compatibility_flags": [\n\t\t"nodejs_als" // why\n\t],\n\t"compatibility_date"',
		),
	],
	[
		'wrangler.jsonc',
		JSONC.replace(
			'"d1',
			'"r2_buckets": [\n\t\t{ "binding": "UPLOADS", "bucket_name": "uploads" }\n\t],\n\t"d1',
		),
	],
	[
		'wrangler.jsonc',
		JSONC.replace(
			'"d1',
			'"r2_buckets": [{\n\t\t"binding": "UPLOADS",\n\t\t"bucket_name": "uploads"\n\t}],\n\t"d1',
		),
	],
	['wrangler.json', JSON.stringify({ ...MAIN, d1_databases: [DB] })],
	['wrangler.json', JSON.stringify({ ...MAIN, d1_databases: [DB] }, null, 2)],
	['wrangler.json', JSON.stringify({ d1_databases: [DB] }, null, 2)],
];

test.for(
	LAYOUTS.flatMap(
		([file, text]) =>
			[
				[file, text],
				[file, text.replaceAll('\n', '\r\n')],
			] as const,
	),
)('wrangler reads our settings and everything that was there, in %s %j', ([file, text]) => {
	const after = edited(file, text) ?? '';
	const old = readByWrangler(file, text);
	const now = readByWrangler(file, after);
	expect(now.d1_databases).toEqual(old.d1_databases);
	expect(now.r2_buckets).toEqual([...old.r2_buckets, ADDED]);
	expect(now.compatibility_flags).toEqual([...old.compatibility_flags, 'nodejs_compat']);
	expect((now.compatibility_date ?? '') >= LEAST_DATE).toBe(true);
	const comments = (all: string) => all.match(/(?:#|\/\/) .*|\/\*.*\*\//g) ?? [];
	expect(comments(after)).toEqual(comments(text));
	expect(after.includes('\r\n')).toBe(text.includes('\r\n'));
	if (text.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
	expect(edited(file, after)).toBe(after);
});

test('a new enough date stays, and needs no flag where it is the default', () => {
	const after = edited('wrangler.toml', TOML.replace('2024-01-01', '2026-08-04')) ?? '';
	expect(after).toContain('"2026-08-04"');
	expect(after).not.toContain('compatibility_flags');
});

test('a bucket that the hooks name is used, or made under that name', () => {
	const bucket = '\n[[r2_buckets]]\nbinding = "ARCHIVE"\nbucket_name = "archive"\n';
	const ready = edited('wrangler.toml', TOML + bucket, 'ARCHIVE') ?? '';
	expect(readByWrangler('wrangler.toml', ready).r2_buckets).toHaveLength(1);
	const made = edited('wrangler.toml', TOML, 'ARCHIVE') ?? '';
	expect(readByWrangler('wrangler.toml', made).r2_buckets).toEqual([
		{ binding: 'ARCHIVE', bucket_name: 'shop-backups' },
	]);
});

test.for([
	[
		'wrangler.toml',
		`name = "shop"\nmain = "x.js"\ncompatibility_date = "2025-01-01"\n\n[[env.production.d1_databases]]\nbinding = "DB"\ndatabase_name = "shop"\ndatabase_id = "1"\n`,
	],
	[
		'wrangler.json',
		JSON.stringify({ ...MAIN, env: { production: { d1_databases: [DB] } } }, null, '\t'),
	],
] as const)(
	'where only the environment production has a database, so does the bucket: %s',
	([file, text]) => {
		const after = edited(file, text) ?? '';
		expect(readByWrangler(file, after, 'production')).toMatchObject({
			r2_buckets: [ADDED],
			compatibility_flags: ['nodejs_compat'],
		});
	},
);

test('other environments with bindings are known', () => {
	writeFileSync(
		join(folder, 'wrangler.json'),
		JSON.stringify({ d1_databases: [DB], env: { preview: { d1_databases: [DB] }, dev: {} } }),
	);
	expect(otherEnvironments(readConfig(folder))).toEqual(['preview']);
});

test('a form in which a setting has no place is left alone', () => {
	const text = 'env = { production = { d1_databases = [{ binding = "DB" }] } }\n';
	const after = edited('wrangler.toml', text);
	if (after !== null)
		expect(readByWrangler('wrangler.toml', after, 'production').r2_buckets).toEqual([ADDED]);
	else expect(after).toBe(null);
});

test.for([
	['wrangler.toml', 'name = \n', 'wrangler_config_unreadable'],
	['wrangler.jsonc', '{ "name": }', 'wrangler_config_unreadable'],
	['wrangler.jsonc', '[]', 'wrangler_config_unreadable'],
	['wrangler.toml', 'name = "x"\n', 'db_binding_missing'],
	['wrangler.toml', '[[d1_databases]]\nbinding = "DRILL_DB"\n', 'db_binding_missing'],
	['package.json', '{}', 'wrangler_config_missing'],
] as const)('%s with %j is refused: %s', ([file, text, code]) => {
	writeFileSync(join(folder, file), text);
	expect(() => readConfig(folder)).toThrow(expect.objectContaining({ code }));
});
