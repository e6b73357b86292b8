import { prefixed } from './server/backup/storage/prefixed.ts';
import { type Environment, type Place, SETTINGS } from './server/environment.ts';
import { LifeboatError } from './server/errors.ts';
import type { D1Database, R2Bucket } from './server/platform.ts';

/** Where a binding comes from: its name, or a function of the app's environment that gives it. */
export type Binding<T> = string | ((env: never) => T | undefined);

/** How an app mounts Lifeboat. Everything is optional. */
export interface Options {
	/** Where the API is: `/api/backup`. */
	path?: string;
	/**
	 * The databases by name, each with its binding; the first one is used where none is named. By default
	 * `{ main: 'DB' }`. A name has letters, digits, `_` and `-`, at most 32, and not digits alone; it never
	 * changes again, because the backups of all but the first lie under it in the bucket.
	 */
	databases?: Readonly<Record<string, Binding<D1Database>>>;
	/** The bucket of the backups: `MY_BUCKET`. */
	bucket?: Binding<R2Bucket>;
	/**
	 * What all keys in that bucket begin with, such as `backups/`, if it holds more than backups. A bucket
	 * of its own is better: a lock rule then protects backups and nothing else.
	 */
	prefix?: string;
	/** The bucket of the audit log, if it has one of its own: `MY_LOGS_BUCKET`. */
	logs?: Binding<R2Bucket>;
	/** An empty database for drills: `DRILL_DB`. */
	drill?: Binding<D1Database>;
	/** The origins of production, such as `https://app.example.com`, in place of BACKUP_ORIGIN. */
	hosts?: readonly string[];
}

/** The options, checked and completed. */
export interface Mount {
	path: string;
	/** The names of the databases; the first one is used where none is named. */
	databases: readonly [string, ...string[]];
	/**
	 * What a call about a database works with: by default the first one. Also for a name that the app
	 * does not have, which sets `isUnknown`, and for `*`, which sets `isAll` if there are several.
	 */
	environment(env: object | undefined, database?: string | null): Environment;
}

/** How a call names all databases. */
const ALL = '*';
/** A number would come first, wherever an object literal has it (ECMA-262, OrdinaryOwnPropertyKeys). */
const DATABASE_NAME = /^(?!\d+$)[\w-]{1,32}$/;
/** A lock rule for the backups of the first database would hold the locks of one with such a name. */
const LIKE_A_BACKUP = /^(full|incremental)_backup_/;
/** What lies at the root of the bucket, beside the backups of the first database. */
const RESERVED = ['access', 'journal', 'keep', 'operations'];

/** Checks and completes options. Throws `options_invalid` (500). */
export function mount(options: Options = {}): Mount {
	const { path = '/api/backup', hosts = [], prefix = '' } = options;
	if (!/^(\/[\w.~-]+)+$/.test(path)) throw invalid('path', 'a path such as /api/backup');
	if (!/^([\w.-]+\/)*$/.test(prefix)) throw invalid('prefix', 'one such as backups/');
	const databases: Options['databases'] = options.databases ?? { main: 'DB' };
	const [first, ...others] = Object.keys(databases);
	if (first === undefined) throw invalid('databases', 'at least one database');
	for (const name of [first, ...others]) {
		const isTaken = RESERVED.includes(name.toLowerCase()) || LIKE_A_BACKUP.test(name);
		if (!DATABASE_NAME.test(name) || isTaken) throw badName();
	}
	const bindings = {
		MY_BUCKET: options.bucket ?? 'MY_BUCKET',
		MY_LOGS_BUCKET: options.logs ?? 'MY_LOGS_BUCKET',
		DRILL_DB: options.drill ?? 'DRILL_DB',
	};
	const environmentOf = (env: object | undefined, database?: string | null): Environment => {
		const isAll = database === ALL && others.length > 0;
		const isKnown = typeof database === 'string' && Object.hasOwn(databases, database);
		const isUnknown = typeof database === 'string' && !isKnown && database !== ALL;
		const name = isKnown ? database : first;
		const DB = databases[name] ?? 'DB';
		const place = placeOf(name, [first, ...others], { ...bindings, DB });
		const of = (other: string) => environmentOf(env, other);
		const given = environment(env, { ...bindings, DB }, hosts);
		const { MY_BUCKET } = given;
		const part = MY_BUCKET && { MY_BUCKET: prefixed(MY_BUCKET, prefix) };
		return { ...given, ...part, place, isUnknown, isAll, of };
	};
	return { path, databases: [first, ...others], environment: environmentOf };
}

/** The settings by their own names, and the bindings by those that the library uses. */
function environment(
	env: object | undefined,
	bindings: Record<string, Binding<object>>,
	hosts: readonly string[],
): Environment {
	const given = (env ?? {}) as Record<string, unknown>;
	const settings = SETTINGS.flatMap((name) =>
		typeof given[name] === 'string' ? [[name, given[name]]] : [],
	);
	const bound = Object.entries(bindings).flatMap(([name, binding]) => {
		const value = typeof binding === 'string' ? given[binding] : binding((env ?? {}) as never);
		return value === undefined || value === null ? [] : [[name, value]];
	});
	const origin = hosts.length > 0 ? { BACKUP_ORIGIN: hosts.join(' ') } : {};
	const isPages = given['CF_PAGES'] !== undefined;
	return { ...Object.fromEntries([...settings, ...bound]), ...origin, isPages };
}

function placeOf(
	database: string,
	databases: readonly [string, ...string[]],
	bindings: Record<'DB' | 'MY_BUCKET' | 'DRILL_DB', Binding<object>>,
): Place {
	const isFirst = database === databases[0];
	const named = (name: keyof typeof bindings) => {
		const binding = bindings[name];
		return typeof binding === 'string' ? binding : name;
	};
	return {
		database,
		databases,
		prefix: isFirst ? '' : `${database}/`,
		bindings: { DB: named('DB'), MY_BUCKET: named('MY_BUCKET'), DRILL_DB: named('DRILL_DB') },
	};
}

function badName(): LifeboatError {
	return invalid(
		'databases',
		`names of letters, digits, "_" and "-", at most 32, not of digits alone, not like the name of a backup, and other than ${RESERVED.join(', ')}`,
	);
}

function invalid(option: string, what: string): LifeboatError {
	return new LifeboatError(`The option "${option}" of lifeboat() is not valid.`, {
		code: 'options_invalid',
		status: 500,
		hint: `Give it ${what}, or leave it out.`,
	});
}
