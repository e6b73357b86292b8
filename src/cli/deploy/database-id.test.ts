import { expect, test } from 'vitest';
import { setDatabaseId } from './database-id.ts';

const ID = '5f0c3c3e-0f0b-4d6c-8a52-3d1a8f6f2c11';

const TOML = `name = "app"

# [[d1_databases]]
# binding = "DB"
# database_id = "commented"

[[d1_databases]] # the app's
binding = "OTHER"
database_id = "other"

[[d1_databases]]
binding = 'DB'
database_name = "app"
database_id = "00000000-0000-0000-0000-000000000000" # zeros
migrations_dir = "migrations"

[[r2_buckets]]
binding = "DB"
`;

test('writes the id of one database of wrangler.toml, and nothing else', () => {
	expect(setDatabaseId(TOML, 'DB', ID)).toBe(
		TOML.replace('00000000-0000-0000-0000-000000000000', ID),
	);
	expect(setDatabaseId(TOML, 'OTHER', ID)).toBe(TOML.replace('"other"', `"${ID}"`));
});

test('adds a missing id to wrangler.toml, also at its end', () => {
	const text = 'name = "app"\n\n[[d1_databases]]\n  binding = "DB"';
	expect(setDatabaseId(`${text}\n  database_name = "app"\n`, 'DB', ID)).toBe(
		`${text}\n  database_id = "${ID}"\n  database_name = "app"\n`,
	);
});

const JSONC = `// the app
{
	"r2_buckets": [{ "binding": "DB" }],
	"d1_databases": [
		{ "binding": "OTHER", "database_name": "a]b", "database_id": "other" },
		{
			"binding": "DB", // the app's
			"database_id": "<id>"
		}
	]
}
`;

test('writes the id of one database of wrangler.jsonc, and nothing else', () => {
	expect(setDatabaseId(JSONC, 'DB', ID)).toBe(JSONC.replace('<id>', ID));
	expect(setDatabaseId(JSONC, 'OTHER', ID)).toBe(JSONC.replace('"other"', `"${ID}"`));
});

test('adds a missing id to wrangler.json', () => {
	const text = `{ "d1_databases": [{ "binding": "DB", "database_name": "app" }] }`;
	const after = setDatabaseId(text, 'DB', ID) ?? '';
	expect(JSON.parse(after)).toEqual({
		d1_databases: [{ binding: 'DB', database_id: ID, database_name: 'app' }],
	});
});

test.for([TOML, JSONC, '{}', ''])('changes nothing without an entry of the binding', (text) => {
	expect(setDatabaseId(text, 'MISSING', ID)).toBeNull();
});
