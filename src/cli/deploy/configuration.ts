import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';

/** A D1 database in wrangler's configuration. */
export interface ConfiguredDatabase {
	binding: string;
	name: string;
	id: string;
	/** The folder of its migrations, if it is there. */
	migrations: string | null;
}

/** An R2 bucket in wrangler's configuration. */
export interface ConfiguredBucket {
	binding: string;
	name: string;
	jurisdiction: string | null;
}

/** Wrangler's configuration in the current folder, as far as a deployment has to know it. */
export interface Configuration {
	path: string;
	/** The name of its file. */
	file: string;
	/** The name of the Pages project or the Worker. */
	name: string;
	isPages: boolean;
	databases: ConfiguredDatabase[];
	buckets: ConfiguredBucket[];
	/** The custom domains of a Worker. */
	domains: string[];
}

/** The parts of wrangler's own type, which is `any` for some of them. */
interface Raw {
	configPath?: string;
	name?: string;
	pages_build_output_dir?: string;
	d1_databases: {
		binding: string;
		database_name?: string;
		database_id?: string;
		migrations_dir?: string;
	}[];
	r2_buckets: { binding: string; bucket_name?: string; jurisdiction?: string }[];
	routes?: (string | { pattern: string; custom_domain?: boolean })[];
}

/** The databases that are restored into, and that have to stay empty. */
export const DRILL = 'DRILL_DB';

/**
 * Reads wrangler.json, wrangler.jsonc or wrangler.toml. Throws `deploy_not_ready` (400) without one, or
 * without a name in it.
 */
export async function readConfiguration(): Promise<Configuration> {
	const { unstable_readConfig } = await import('wrangler'); // takes a second
	const raw = unstable_readConfig({}, { hideWarnings: true }) as unknown as Raw;
	const { configPath: path, name } = raw;
	if (!path) throw notReady("There is no wrangler's configuration here.", 'npx lifeboat init');
	if (!name) throw notReady(`${basename(path)} has no name for the app.`, null);
	const named = (binding: string) => `${name}-${binding.toLowerCase().replaceAll('_', '-')}`; // as wrangler does
	return {
		...{ path, file: basename(path), name },
		isPages: raw.pages_build_output_dir !== undefined,
		databases: raw.d1_databases.map(({ binding, database_name, database_id, migrations_dir }) => ({
			binding,
			name: database_name ?? named(binding),
			id: database_id ?? '',
			migrations: migrationsIn(dirname(path), binding, migrations_dir),
		})),
		buckets: raw.r2_buckets.map(({ binding, bucket_name, jurisdiction }) => ({
			binding,
			name: bucket_name ?? named(binding),
			jurisdiction: jurisdiction ?? null,
		})),
		domains: (raw.routes ?? []).flatMap((route) =>
			typeof route === 'object' && route.custom_domain ? [route.pattern] : [],
		),
	};
}

/** The database of a binding. Throws `deploy_not_ready` (400) if there is none. */
export function databaseOf(
	{ databases, file }: Configuration,
	binding: string,
): ConfiguredDatabase {
	const found = databases.find((database) => database.binding === binding);
	if (!found)
		throw notReady(`${file} has no D1 database bound to ${binding}.`, 'npx lifeboat init');
	return found;
}

/** The bucket of a binding. Throws `deploy_not_ready` (400) if there is none. */
export function bucketOf({ buckets, file }: Configuration, binding: string): ConfiguredBucket {
	const found = buckets.find((bucket) => bucket.binding === binding);
	if (!found) throw notReady(`${file} has no R2 bucket bound to ${binding}.`, 'npx lifeboat init');
	return found;
}

/** False for an id that stands for one that is still to come: zeros, `<id>`, nothing. */
export function isId(id: string): boolean {
	return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id) && /[^0-]/.test(id);
}

/** `deploy_not_ready` (400): something has to be done before a deployment. */
export function notReady(message: string, command: string | null): LifeboatError {
	return new LifeboatError(message, {
		code: 'deploy_not_ready',
		status: 400,
		hint: command === null ? '' : `Run this first: ${command}`,
	});
}

/** Without `migrations_dir` wrangler takes the folder `migrations`, which is the first database's. */
function migrationsIn(folder: string, binding: string, named?: string): string | null {
	if (binding === DRILL) return null;
	const path = named ?? 'migrations';
	return existsSync(join(folder, path)) ? path : null;
}
