import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { counted } from '../../../tests/counts.ts';
import {
	dumpLocally,
	type Ended,
	localDifferences,
	operate,
	projectFolder,
	removeFolder,
	runLocally,
	sqlite3,
} from '../../../tests/operator.ts';

// Kills restores at various steps and checks what they leave. By default the next one is killed too, until
// the last: it has come to its own step only because it took what the one before had left.

/** Rows per table, more than a restore runs at once. */
const ROWS = 1500;

let project: string;
/** A database and a backup of it. */
let origin: string;
let backup: string;
/** A folder for each test. */
let target: string;

beforeAll(async () => {
	project = projectFolder();
	[origin, backup] = [join(project, 'origin'), join(project, 'backup.sql')];
	runLocally(
		origin,
		`CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree (id), x TEXT)`,
		`CREATE TABLE leaf (tree REFERENCES tree (id) ON DELETE CASCADE, x TEXT)`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
			INSERT INTO tree SELECT i, ${ROWS + 1} - i, hex(randomblob(600)) FROM n`,
		`INSERT INTO leaf SELECT id, x FROM tree`,
	);
	await dumpLocally(origin, backup);
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	target = join(project, `target-${Math.random()}`);
	mkdirSync(target);
});
afterEach(() => removeFolder(target));

const restore = (args: string[], killAt?: number): Promise<Ended> =>
	operate(
		project,
		'restore',
		[backup, '--unsigned', ...args],
		killAt === undefined ? {} : { killAt },
	);

/**
 * Steps at which to kill a restore, spread over the whole run and including the last, and whether a
 * whole restore follows.
 */
function stepsOf({ stderr }: Ended): { step: number; isChecked: boolean }[] {
	const [, total = 0] = /(\d+) steps$/.exec(stderr.trim())?.map(Number) ?? [];
	expect(total).toBeGreaterThan(10);
	const kills = Math.min(counted(total), total);
	return Array.from({ length: kills }, (_, kill) => {
		const step = Math.ceil(((kill + 1) * total) / kills);
		return { step, isChecked: step === total || counted(2) > 1 };
	});
}

test('the next restore puts right whatever a killed one left in the local database', async () => {
	const whole = await restore(['--to', `local:${join(target, 'whole')}`], 0);
	expect(whole.code).toBe(0);
	const state = join(target, 'killed');
	for (const { step, isChecked } of stepsOf(whole)) {
		const killed = await restore(['--to', `local:${state}`], step);
		expect([step, killed.code]).toEqual([step, null]); // never "not empty"
		if (!isChecked) continue;
		const next = await restore(['--to', `local:${state}`, '--json']);
		expect([step, next.code]).toEqual([step, 0]);
		expect(await localDifferences(origin, state)).toEqual([]);
		removeFolder(state);
	}
}, 3_600_000);

test('a killed restore leaves an SQLite file unchanged or complete', async () => {
	const path = join(target, 'file.db');
	const words = ['--to', path, '--replace', '--yes', 'file.db'];
	const make = () => {
		rmSync(path, { force: true });
		sqlite3(path, 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
	};
	const sum = () => sqlite3(path, '.sha3sum --schema');
	make();
	const before = sum();
	const whole = await restore(words, 0);
	expect(whole.code).toBe(0);
	const complete = sum();
	for (const { step, isChecked } of stepsOf(whole)) {
		make();
		expect([step, (await restore(words, step)).code]).toEqual([step, null]);
		expect([before, complete]).toContain(sum());
		expect(sqlite3(path, 'PRAGMA quick_check')).toBe('ok');
		if (!isChecked) continue;
		expect([step, (await restore(words)).code]).toEqual([step, 0]);
		expect(sum()).toBe(complete);
		expect(readdirSync(target).filter((name) => name.includes('restoring'))).toEqual([]);
	}
}, 3_600_000);
