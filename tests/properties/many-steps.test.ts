import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { contentsOf, inSteps } from '../stepped-backups.ts';
import { reset } from '../reset.ts';
import { createBackup, engine, run } from '../backups.ts';
import { counted, LONG } from '../counts.ts';
import { key } from '../encodings.ts';
import { listBackups, resumeBackup, startBackup } from '../../src/lib/server/backup/index.ts';
import type { Manifest } from '../../src/lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import { drillBackup, verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';
import { LOCK_KEYS } from '../../src/lib/server/backup/storage/lock.ts';

beforeEach(reset);

/** Bytes by which the lock may grow with each step, with its table, its volume and its slice. */
const MAX_LOCK_BYTES = 650;
/** Each step reads one table. An eighth of 2,000 would take too long for every run. */
const STEPS = LONG ? 2_000 : counted(500);
/** Milliseconds: a step of 2,000 tables takes half a second. */
const TIME_LIMIT = 30 * 60_000;
/** Tables that one batch makes. */
const BATCH = 100;

async function fillTables(): Promise<void> {
	for (let made = 0; made < STEPS; made += BATCH) {
		const numbers = Array.from({ length: Math.min(BATCH, STEPS - made) }, (_, n) => made + n);
		await run(
			env.DB,
			...numbers.map((n) => `CREATE TABLE t${n} (id INTEGER PRIMARY KEY, x)`),
			...numbers.map((n) => `INSERT INTO t${n} (x) VALUES ('row of ${n}')`),
		);
	}
}

/** Makes a backup whose volumes have every second number; `between` gets each step's size of the lock. */
async function backUpWithGaps(between: (lockBytes: number) => void): Promise<Manifest> {
	let step = await startBackup(inSteps());
	while ('resume' in step) {
		const lock = (await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '';
		between(lock.length);
		// As a try leaves it that failed: each try of a step has a number of its own.
		const { tries, ...held } = JSON.parse(lock) as { tries: number };
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ ...held, tries: tries + 1 }));
		step = await resumeBackup(inSteps(), step.resume);
	}
	return step.manifest;
}

test(
	'a backup in very many steps, with gaps in the numbers of its volumes, is listed and proven',
	async () => {
		await fillTables();
		const sizes: number[] = [];
		const manifest = await backUpWithGaps((lockBytes) => void sizes.push(lockBytes));
		expect(manifest.volumes.length).toBeGreaterThanOrEqual(STEPS);
		expect(manifest.volumes.at(-1)?.key).toContain(`.${2 * manifest.volumes.length - 1}.sql`);
		// The lock holds the job, which is read and written in each step.
		expect(Math.max(...sizes) / STEPS).toBeLessThan(MAX_LOCK_BYTES);
		expect(await contentsOf(manifest)).toEqual(await contentsOf(await createBackup(engine())));
		const { backups } = await listBackups(engine());
		expect(backups.map(({ name }) => name)).toContain(manifest.name);
		const listed = backups.find(({ name }) => name === manifest.name);
		expect(listed?.files).toEqual(manifest.volumes.map(({ key: volume }) => volume));
		const file = manifestKey(manifest.name);
		expect(await verifyBackup(engine({ keys: [key] }), file)).toMatchObject({ proven: true });
		const drilled = drillBackup(engine({ keys: [key] }), env.DRILL_DB, file);
		expect(await drilled).toMatchObject({ proven: true });
	},
	TIME_LIMIT,
);
