import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse as parseToml } from '@decimalturn/toml-patch';
import { parse as parseJsonc, type ParseError } from 'jsonc-parser';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import { backupBucket, type Bucket, type Database, DEFAULT, newBucket } from './bindings.ts';
import { applyChange, type Change, isValues, type Values, valueAt } from './change.ts';
import { editJsonc } from './jsonc.ts';
import { editToml } from './toml.ts';

/** Wrangler's configuration of an app. */
export interface Config {
	/** Its name, such as `wrangler.jsonc`. */
	file: string;
	text: string;
	values: Values;
	/** The keys of the environment whose bindings count: none, or `env` and `production`. */
	scope: string[];
	databases: Database[];
	buckets: Bucket[];
}

/** In the order in which wrangler looks for them. */
const FILES = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'];

/**
 * The least date that the library needs. Measured: below 2024-09-23 `nodejs_compat` lacks what gzip and
 * zstd need of `node:zlib`; below 2024-12-16 a TransformStream holds nobody back
 * (fixup_transform_stream_backpressure in compatibility-date.capnp of workerd), so that encryption would
 * buffer a whole backup.
 */
export const LEAST_DATE = '2024-12-16';

/** From this date on, `nodejs_compat` is the default (compatibility-date.capnp of workerd). */
const NODE_BY_DEFAULT = '2026-08-04';

/**
 * Wrangler's configuration in a folder. Throws `wrangler_config_missing`, `wrangler_config_unreadable`
 * and `db_binding_missing` (400).
 */
export function readConfig(folder: string): Config {
	const file = FILES.find((name) => existsSync(join(folder, name)));
	if (file === undefined) throw noConfig();
	const text = readFileSync(join(folder, file), 'utf8');
	const values = parse(file, text);
	const scope = [[], ['env', 'production']].find((path) => {
		return databasesIn(values, path).some(({ binding }) => binding !== DEFAULT.drill);
	});
	if (!scope) throw noDatabase(file);
	return {
		file,
		text,
		values,
		scope,
		databases: databasesIn(values, scope),
		buckets: listAt(values, [...scope, 'r2_buckets']).filter(isBucket),
	};
}

/** The bucket for backups, and what the configuration lacks. */
export function missing(config: Config, app: string, used: string | undefined) {
	const { values, scope, buckets } = config;
	const found = buckets.find(({ binding }) => binding === used) ?? backupBucket(buckets);
	const bucket = found ?? { ...newBucket(buckets, app), ...(used && { binding: used }) };
	const changes: Change[] = [];
	const at = (key: string) => (valueAt(values, [...scope, key]) ? [...scope, key] : [key]);
	const date = valueAt(values, at('compatibility_date'));
	const isOld = typeof date !== 'string' || date < LEAST_DATE;
	if (isOld) {
		const path = at('compatibility_date');
		changes.push({ path, value: LEAST_DATE, isItem: false, after: 'name' });
	}
	const flags = listAt(values, at('compatibility_flags'));
	if (!flags.includes('nodejs_compat') && (isOld || date < NODE_BY_DEFAULT)) {
		const path = at('compatibility_flags');
		changes.push({ path, value: 'nodejs_compat', isItem: true, after: 'compatibility_date' });
	}
	if (!found) {
		const path = [...scope, 'r2_buckets'];
		changes.push({ path, value: bucket, isItem: true, after: 'd1_databases' });
	}
	return { bucket, isNew: !found, changes };
}

/** The text with these changes, or null if it has a form in which they cannot be made. */
export function editConfig(
	{ file, text, values }: Config,
	changes: readonly Change[],
): string | null {
	const wanted = changes.reduce(applyChange, values);
	try {
		const edited = file.endsWith('.toml') ? editToml(text, changes) : editJsonc(text, changes);
		return isDeepStrictEqual(parse(file, edited), wanted) ? edited : null;
	} catch {
		return null;
	}
}

/** The environments with bindings of their own, which do not have those of `scope`. */
export function otherEnvironments({ values, scope }: Config): string[] {
	const environments = valueAt(values, ['env']);
	if (!isValues(environments)) return [];
	return Object.keys(environments).filter(
		(name) => name !== scope[1] && databasesIn(values, ['env', name]).length > 0,
	);
}

function parse(file: string, text: string): Values {
	try {
		const values = file.endsWith('.toml') ? parseToml(text) : strictJsonc(text);
		if (isValues(values)) return structuredClone(values);
	} catch (error) {
		throw unreadable(file, messageOf(error));
	}
	throw unreadable(file, 'it has no settings');
}

function strictJsonc(text: string): unknown {
	const errors: ParseError[] = [];
	const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true });
	const [error] = errors;
	if (!error) return value;
	const line = text.slice(0, error.offset).split('\n').length;
	throw new Error(`line ${line} is not valid JSON`);
}

function listAt(values: Values, path: readonly string[]): unknown[] {
	const list = valueAt(values, path);
	return Array.isArray(list) ? list : [];
}

function databasesIn(values: Values, scope: readonly string[]): Database[] {
	return listAt(values, [...scope, 'd1_databases']).filter(isDatabase);
}

function isDatabase(value: unknown): value is Database {
	return isValues(value) && typeof value['binding'] === 'string';
}

function isBucket(value: unknown): value is Bucket {
	return isValues(value) && typeof value['binding'] === 'string';
}

function noConfig(): LifeboatError {
	return new LifeboatError(`There is no ${FILES.join(', ')} here.`, {
		code: 'wrangler_config_missing',
		status: 400,
		hint: 'Make one, with the D1 database that the app uses: https://developers.cloudflare.com/workers/wrangler/configuration/. Nothing was changed.',
	});
}

function unreadable(file: string, reason: string): LifeboatError {
	return new LifeboatError(`${file} cannot be read: ${reason}.`, {
		code: 'wrangler_config_unreadable',
		status: 400,
		hint: 'Correct it, and run this again. Nothing was changed.',
	});
}

function noDatabase(file: string): LifeboatError {
	return new LifeboatError(`${file} binds no D1 database, so there is nothing to back up.`, {
		code: 'db_binding_missing',
		status: 400,
		hint: 'Bind the database that the app uses, as `npx wrangler d1 create NAME` explains, and run this again. Nothing was changed.',
	});
}
