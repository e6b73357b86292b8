/** A D1 database in wrangler's configuration. */
export interface Database {
	binding: string;
	database_name?: string;
	database_id?: string;
}

/** An R2 bucket in wrangler's configuration. */
export interface Bucket {
	binding: string;
	bucket_name?: string;
}

/** What `lifeboat()` is given; nothing where its defaults fit. */
export interface Options {
	/** Bindings by the names of their databases; the first is the default. */
	databases?: Record<string, string>;
	/** The binding of the bucket. */
	bucket?: string;
}

/** The bindings that `lifeboat()` uses without options. */
export const DEFAULT = { database: 'DB', bucket: 'MY_BUCKET', drill: 'DRILL_DB' };

/** A bucket for something else, whatever its binding is called: nothing of ours may lie in it. */
const FOR_OTHERS = /upload|asset|media|image|photo|avatar|picture|video|public|static|cache|log/i;
const FOR_BACKUPS = /backup/i;

/** The databases to back up, all but the one for drills, by name: the first is `main`. */
export function namedDatabases(databases: readonly Database[]): Record<string, string> {
	const bindings = databases.map(({ binding }) => binding).filter((one) => one !== DEFAULT.drill);
	const sorted = [...bindings].sort(
		(a, b) => Number(b === DEFAULT.database) - Number(a === DEFAULT.database),
	);
	const named: Record<string, string> = {};
	for (const binding of sorted) named[freeName(binding, named)] = binding;
	return named;
}

/** The existing bucket that is meant for backups, or null. */
export function backupBucket(buckets: readonly Bucket[]): Bucket | null {
	const free = buckets.filter(({ binding, bucket_name: name = '' }) => {
		return !FOR_OTHERS.test(binding) && !FOR_OTHERS.test(name);
	});
	const named = free.find(({ binding }) => binding === DEFAULT.bucket);
	return (
		named ??
		free.find(({ binding }) => FOR_BACKUPS.test(binding)) ??
		free.find(({ bucket_name: name = '' }) => FOR_BACKUPS.test(name)) ??
		null
	);
}

/** A new bucket for an app's backups, with a binding that no other bucket has. */
export function newBucket(buckets: readonly Bucket[], app: string): Bucket {
	const isTaken = buckets.some(({ binding }) => binding === DEFAULT.bucket);
	return { binding: isTaken ? 'BACKUPS' : DEFAULT.bucket, bucket_name: bucketName(app) };
}

/** Options for these databases and this bucket. */
export function optionsFor(databases: Record<string, string>, bucket: string): Options {
	const [binding, ...others] = Object.values(databases);
	const options: Options = {};
	if (others.length > 0 || binding !== DEFAULT.database) options.databases = databases;
	if (bucket !== DEFAULT.bucket) options.bucket = bucket;
	return options;
}

/** `stats` for STATS_DB. At most 32 letters, digits, `_` and `-`, as `lifeboat()` asks. */
function freeName(binding: string, taken: Record<string, string>): string {
	if (Object.keys(taken).length === 0) return 'main';
	const short = binding.replace(/^(DB|D1)_|_?(DB|D1|DATABASE)$/gi, '').toLowerCase();
	const name = (short || binding.toLowerCase()).replace(/[^\w-]/g, '').slice(0, 30);
	for (let number = 1; ; number++) {
		const candidate = number === 1 ? name : `${name}${number}`;
		if (!(candidate in taken)) return candidate;
	}
}

/** 3 to 63 lower-case letters, digits and hyphens (R2 > Buckets > Create new buckets > Naming). */
function bucketName(app: string): string {
	const name = app
		.toLowerCase()
		.replace(/[^a-z0-9]+/g, '-')
		.slice(0, 50)
		.replace(/^-+|-+$/g, '');
	return `${name || 'app'}-backups`;
}
