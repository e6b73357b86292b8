import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ParseError } from 'jsonc-parser';
import * as v from 'valibot';
import { loadWrangler } from './wrangler.ts';

/** An entry of `d1_databases` in wrangler's configuration. */
const DATABASE = v.object({
	binding: v.string(),
	database_id: v.optional(v.string()),
	preview_database_id: v.optional(v.string()),
});
export type ConfiguredDatabase = v.InferOutput<typeof DATABASE>;

const CONFIGURATION = v.object({ d1_databases: v.optional(v.array(DATABASE), []) });

/** In the order in which wrangler looks for them, each up to the root (findWranglerConfig). */
const FILES = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'];

/**
 * The databases of wrangler's configuration for the current folder; none without a configuration. Throws
 * wrangler's own errors about an invalid one, and `wrangler_missing` (500).
 */
export async function configuredDatabases(): Promise<ConfiguredDatabase[]> {
	return (await readPlainly()) ?? readByWrangler();
}

/**
 * The same, where that takes no rules of wrangler's: it takes a second to load. Null for an environment
 * (CLOUDFLARE_ENV), for bindings that wrangler may refuse, and for a file that these parsers refuse.
 */
export async function readPlainly(): Promise<ConfiguredDatabase[] | null> {
	if (process.env['CLOUDFLARE_ENV']) return null;
	const file = FILES.map((name) => findUp(process.cwd(), name)).find((path) => path !== null);
	if (!file) return [];
	const values = await parse(file).catch(() => null); // wrangler says what is wrong with it
	const { success, output } = v.safeParse(CONFIGURATION, values);
	if (!success) return null;
	const { d1_databases } = output;
	const bindings = new Set(d1_databases.map(({ binding }) => binding));
	return bindings.size === d1_databases.length ? d1_databases : null;
}

/** The same by wrangler, whose own type for them is `any`. */
export function readByWrangler(): ConfiguredDatabase[] {
	const { unstable_readConfig } = loadWrangler();
	return (unstable_readConfig({}) as { d1_databases: ConfiguredDatabase[] }).d1_databases;
}

/** Null for a file with errors. */
async function parse(path: string): Promise<unknown> {
	const text = readFileSync(path, 'utf8');
	if (path.endsWith('.toml')) return (await import('@decimalturn/toml-patch')).parse(text);
	const { parse } = await import('jsonc-parser');
	const errors: ParseError[] = [];
	const values: unknown = parse(text, errors, { allowTrailingComma: true });
	return errors.length === 0 ? values : null;
}

/** The nearest file with this name, in the folder or in one above; null if there is none. */
function findUp(folder: string, name: string): string | null {
	const path = join(folder, name);
	if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path;
	const above = dirname(folder);
	return above === folder ? null : findUp(above, name);
}
