import { env } from 'cloudflare:workers';
import type { D1Database } from '@cloudflare/workers-types';
import { expect } from 'vitest';
import { d1 } from '../src/lib/server/backup/database.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';
import { sqlOf } from '../src/lib/server/backup/prove/files.ts';
import { drillBackup } from '../src/lib/server/backup/prove/prove.ts';
import { restoreInto } from '../src/lib/server/backup/restore/apply.ts';
import type { SqlSource } from '../src/lib/server/backup/restore/source.ts';
import { survey } from '../src/lib/server/backup/restore/survey.ts';
import { readManifest, readVolume } from '../src/lib/server/backup/storage/bucket.ts';
import { createBackup, engine, run } from './backups.ts';
import { key } from './encodings.ts';
import { sleep } from './memory.ts';

/**
 * Backs up what the statements make, in one step and in many and without a stage, drills it, and
 * restores it into COPY.
 */
export async function comeBack(...statements: string[]): Promise<Manifest> {
	for (const statement of statements) await run(env.DB, statement);
	const whole = await createBackup(engine({ stageMaxBytes: 0 }));
	const budget = { ...UNLIMITED, queries: 1 };
	const { tables } = await createBackup(engine({ budget, keys: [key], stageMaxBytes: 0 }));
	expect(tables).toEqual(whole.tables);
	const { differences } = await drillBackup(engine(), env.DRILL_DB, `${whole.name}.sql`);
	expect(differences).toEqual([]);
	expect(await rows(env.DRILL_DB, LEFT_BEHIND)).toEqual([]);
	const sql = await sqlOfBackup(whole);
	await restoreInto(d1(env.COPY), sql, { survey: await survey(sql), sleep });
	return whole;
}

/** What a drill must not leave behind: anything but tables of D1 and of SQLite itself. */
const LEFT_BEHIND = String.raw`SELECT name FROM sqlite_schema
	WHERE name NOT LIKE '\_cf\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`;

/** The SQL of a backup in the test bucket. */
export async function sqlOfBackup({ name }: Manifest): Promise<SqlSource> {
	const opened = await readManifest(env.MY_BUCKET, `${name}.sql`, []);
	return sqlOf({ ...opened, open: (volume) => readVolume(env.MY_BUCKET, volume) });
}

/** The values of a query's rows, one after another. */
export async function rows(database: D1Database, sql: string): Promise<unknown[]> {
	return (await database.prepare(sql).raw()).flat();
}
