import { expect, test } from 'vitest';
import { backupBucket, namedDatabases, newBucket, optionsFor } from './bindings.ts';

const databases = (...bindings: string[]) =>
	namedDatabases(bindings.map((binding) => ({ binding })));

test.for([
	[['DB'], { main: 'DB' }],
	[['DRILL_DB', 'DB'], { main: 'DB' }],
	[['APP_DB'], { main: 'APP_DB' }],
	[['STATS_DB', 'DB'], { main: 'DB', stats: 'STATS_DB' }],
	[
		['A', 'DB_USERS', 'USERS_D1', 'MAIN_DB', 'D1'],
		{ main: 'A', users: 'DB_USERS', users2: 'USERS_D1', main2: 'MAIN_DB', d1: 'D1' },
	],
] as const)('the databases %j are %j', ([bindings, named]) => {
	expect(databases(...bindings)).toEqual(named);
	expect(Object.keys(databases(...bindings))[0]).toBe('main');
});

test('names have at most 32 characters', () => {
	const long = 'X'.repeat(60);
	for (const name of Object.keys(databases('DB', long, `${long}_DB`))) {
		expect(name).toMatch(/^[\w-]{1,32}$/);
	}
});

test.for([
	[[['MY_BUCKET', 'app-backups']], 'MY_BUCKET'],
	[
		[
			['BACKUPS', 'x'],
			['UPLOADS', 'y'],
		],
		'BACKUPS',
	],
	[[['R2', 'shop-backup']], 'R2'],
	[
		[
			['BACKUP', 'a'],
			['MY_BUCKET', 'b'],
		],
		'MY_BUCKET',
	],
	[[['MY_BUCKET', 'user-uploads']], null],
	[[['UPLOADS', 'uploads-backups']], null],
	[[['BUCKET', 'shop']], null],
	[[['MY_LOGS_BUCKET', 'backup-logs']], null],
	[[], null],
] as const)('of the buckets %j the one for backups is %s', ([pairs, expected]) => {
	const buckets = pairs.map(([binding, bucket_name]) => ({ binding, bucket_name }));
	expect(backupBucket(buckets)?.binding ?? null).toBe(expected);
});

test('a new bucket has a name that R2 takes, and a free binding', () => {
	expect(newBucket([], 'shop')).toEqual({ binding: 'MY_BUCKET', bucket_name: 'shop-backups' });
	expect(newBucket([{ binding: 'MY_BUCKET' }], 'shop').binding).toBe('BACKUPS');
	for (const app of ['', 'My Shop_2', '-x-', 'é', 'a'.repeat(80), `${'a'.repeat(49)}--b`]) {
		expect(newBucket([], app).bucket_name).toMatch(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
	}
});

test('options name only what the defaults do not', () => {
	expect(optionsFor({ main: 'DB' }, 'MY_BUCKET')).toEqual({});
	expect(optionsFor({ main: 'APP_DB' }, 'MY_BUCKET')).toEqual({ databases: { main: 'APP_DB' } });
	expect(optionsFor({ main: 'DB', a: 'A' }, 'BACKUPS')).toEqual({
		databases: { main: 'DB', a: 'A' },
		bucket: 'BACKUPS',
	});
});
