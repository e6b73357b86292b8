import { createHash } from 'node:crypto';
import { env } from 'cloudflare:workers';
import { engine, run } from './backups.ts';
import { key } from './encodings.ts';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';
import { resumeBackup, startBackup } from '../src/lib/server/backup/index.ts';
import { type Engine, type BackupStep } from '../src/lib/server/backup/engine.ts';
import { type Manifest } from '../src/lib/server/backup/format/manifest.ts';

// Backups in several steps.

/** A budget of so few queries that each step reads one page, after the five queries for the catalog. */
export const SMALL = { ...UNLIMITED, queries: 1, atomicBytes: 0 };

export function inSteps(changes: Partial<Engine> = {}): Engine {
	return engine({ keys: [key], budget: SMALL, ...changes });
}

/** Small tables, one with many pages, one with long rows, and AUTOINCREMENT counters. */
export const fill = (texts = 2500) =>
	run(
		env.DB,
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`CREATE TABLE b (k TEXT PRIMARY KEY, a REFERENCES a (id)) WITHOUT ROWID`,
		`CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT, n INT)`,
		`CREATE TABLE long (x, y)`,
		`CREATE INDEX texts_n ON texts (n)`,
		`INSERT INTO a (x) VALUES (1), ('two'), (x'03')`,
		`INSERT INTO b VALUES ('k', 2)`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${texts}) INSERT INTO texts SELECT i, printf('%.*c it''s', 600, 'é'), i % 7 FROM n`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) INSERT INTO long SELECT i, zeroblob(100000 + i) FROM n`,
	);

/** Digest of a backup's SQL without its first line, which holds the time. */
export async function digestOf({ volumes }: Manifest): Promise<string> {
	const hash = createHash('sha256');
	let isFirst = true;
	for (const { key: volume } of volumes) {
		for await (const chunk of (await env.MY_BUCKET.get(volume))?.body ?? []) {
			hash.update(isFirst ? chunk.subarray(chunk.indexOf(10)) : chunk);
			isFirst = false;
		}
	}
	return hash.digest('hex');
}

/** The manifest without the backup's name and cost, to compare two backups. */
export const contentsOf = async (manifest: Manifest) => ({
	schema: manifest.schema,
	tables: manifest.tables,
	warnings: manifest.warnings,
	sql: await digestOf(manifest),
});

/** Starts a backup and runs `more` further steps. */
export async function begin(more: number, changes: Partial<Engine> = {}): Promise<string> {
	let step = await startBackup(inSteps(changes));
	for (let taken = 0; taken < more; taken++) {
		step = await resumeBackup(inSteps(changes), ticketOf(step));
	}
	return ticketOf(step);
}

export function ticketOf(step: BackupStep): string {
	if ('resume' in step) return step.resume;
	throw new Error('The backup is done.');
}

/** Runs all remaining steps. */
export async function finish(ticket: string, changes: Partial<Engine> = {}): Promise<Manifest> {
	let step = await resumeBackup(inSteps(changes), ticket);
	while ('resume' in step) step = await resumeBackup(inSteps(changes), step.resume);
	return step.manifest;
}
