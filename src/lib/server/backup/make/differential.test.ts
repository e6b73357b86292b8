import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import {
	clock,
	createBackup,
	emptyBucket,
	engine,
	keys,
	run,
} from '../../../../../tests/backups.ts';
import { dyingEngine } from '../../../../../tests/failing.ts';
import { ticketOf } from '../../../../../tests/stepped-backups.ts';
import { ENCODINGS, key } from '../../../../../tests/encodings.ts';
import { reset } from '../../../../../tests/reset.ts';
import { listBackups, resumeBackup, startBackup } from '../index.ts';
import type { Engine } from '../engine.ts';
import type { Manifest } from '../format/manifest.ts';
import { backupOfFile, manifestKey } from '../format/names.ts';
import { deriveKey } from '../format/signature.ts';
import { slicesOf } from '../format/slices.ts';
import { readManifest, storeProof } from '../storage/bucket.ts';
import { toProof } from '../format/proof.ts';
import { verifyBackup } from '../prove/prove.ts';
import { LEASE_MS, readLock } from '../storage/lock.ts';
import { UNLIMITED } from './budget.ts';

beforeEach(reset);

const DAY_MS = 24 * 3_600_000;

function withParents(changes: Partial<Engine> = {}): Engine {
	return engine({ keys: [key], fullDays: 7, ...changes });
}

const numbers = (rows: number) =>
	`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`;

/** A table of about `rows` times 400 bytes of SQL. */
async function fill(rows = 4000): Promise<void> {
	await run(
		env.DB,
		`CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT)`,
		`CREATE TABLE tags (name TEXT PRIMARY KEY, posts INT) WITHOUT ROWID`,
		`${numbers(rows)} INSERT INTO posts SELECT i, 'Post ' || i, hex(randomblob(180)) FROM n`,
		`${numbers(50)} INSERT INTO tags SELECT 'tag ' || i, i FROM n`,
	);
}

/** The SQL of a backup without encoding, put together from its slices. */
async function sqlOf(manifest: Manifest): Promise<string> {
	const { parent } = manifest;
	const opened = parent ? await readManifest(env.MY_BUCKET, manifestKey(parent), [key]) : null;
	let sql = '';
	for (const { volume, offset, bytes } of slicesOf(manifest, opened?.manifest ?? null) ?? []) {
		const object = await env.MY_BUCKET.get(volume, { range: { offset, length: bytes } });
		sql += await object?.text();
	}
	return sql;
}

/** The time of a backup is in its first line alone. */
const untimed = (sql: string) => sql.slice(sql.indexOf('\n'));

test('an unchanged database costs next to nothing', async () => {
	await fill();
	const full = await createBackup(withParents());
	const next = await createBackup(withParents());
	expect(full).toMatchObject({ kind: 'full', parent: null });
	expect(full.slices?.length).toBeGreaterThan(10);
	expect(next).toMatchObject({ kind: 'incremental', parent: full.name, parentMac: full.mac });
	expect(next.volumes[0]?.bytes).toBeLessThan(1000);
	expect(next.sqlBytes).toBe(full.sqlBytes);
	expect(untimed(await sqlOf(next))).toBe(untimed(await sqlOf(full)));
});

test('a changed database costs what changed, and the SQL is that of a full backup', async () => {
	await fill();
	const full = await createBackup(withParents());
	await run(
		env.DB,
		`INSERT INTO posts VALUES (-5, 'first', NULL), (100000, 'last', 'x')`,
		`UPDATE posts SET title = 'changed' WHERE id = 2000`,
		`DELETE FROM posts WHERE id = 3000`,
		`UPDATE tags SET name = 'renamed' WHERE posts = 7`,
	);
	const next = await createBackup(withParents());
	const again = await createBackup(withParents({ fullDays: 0 }));
	expect(next.kind).toBe('incremental');
	expect(again.kind).toBe('full');
	const stored = (manifest: Manifest) => manifest.volumes[0]?.bytes ?? 0;
	expect(stored(next)).toBeLessThan(stored(full) / 2);
	expect(untimed(await sqlOf(next))).toBe(untimed(await sqlOf(again)));
});

test('slices do not depend on steps', async () => {
	await fill();
	const whole = await createBackup(withParents({ fullDays: 0 }));
	const budget = { ...UNLIMITED, queries: 1, atomicBytes: 0 };
	const stepped = await createBackup(withParents({ fullDays: 0, budget }));
	expect(stepped.volumes.length).toBeGreaterThan(1);
	expect(stepped.slices?.slice(1)).toEqual(whole.slices?.slice(1));
	const differential = await createBackup(withParents({ budget }));
	expect(differential.parent).toBe(stepped.name);
	expect(differential.slices).toHaveLength(1);
});

describe('a full backup is made', () => {
	/** The kind of the next backup. */
	const kindOf = async (changes: Partial<Engine> = {}, options = {}) => {
		let step = await startBackup(withParents(changes), () => {}, options);
		while ('resume' in step) step = await resumeBackup(withParents(changes), step.resume);
		return step.manifest.kind;
	};

	beforeEach(async () => {
		await fill(1000);
		await createBackup(withParents());
	});

	test('if somebody asks for it', async () => {
		expect(await kindOf({}, { kind: 'full' })).toBe('full');
		expect(await kindOf()).toBe('incremental');
	});

	test('if the last one is too old', async () => {
		clock.now += 7 * DAY_MS - 1000;
		expect(await kindOf()).toBe('incremental');
		clock.now += 1000;
		expect(await kindOf()).toBe('full');
	});

	test('if the schema has changed', async () => {
		await run(env.DB, `CREATE INDEX posts_title ON posts (title)`);
		expect(await kindOf()).toBe('full');
	});

	test.for([
		['the compressor', { encoding: ENCODINGS.gzip }],
		['the recipients', { encoding: ENCODINGS.age }],
		['the key', { keys: [deriveKey(new Uint8Array(32)), key] }],
	] as const)('if %s has changed', async ([, changes]) => {
		expect(await kindOf(changes)).toBe('full');
		expect(await kindOf(changes)).toBe('incremental');
	});

	test('if the last one is not signed, or was found to be bad', async () => {
		const { manifest } = await readManifest(
			env.MY_BUCKET,
			(await keys()).find((name) => name.endsWith('.manifest.json')) ?? '',
			[key],
		);
		const at = new Date(clock.now).toISOString();
		const found = {
			kind: 'verify',
			by: 'worker',
			scope: 'contents',
			tables: 0,
			rows: 0,
			bytes: 0,
		} as const;
		await storeProof(
			withParents(),
			toProof(manifest, {
				...found,
				startedAt: at,
				finishedAt: at,
				proven: false,
				differences: ['one'],
			}),
		);
		expect(await kindOf()).toBe('full');
		expect(await kindOf({ keys: [] })).toBe('full');
	});

	test('if a volume of the last one is gone', async () => {
		await env.MY_BUCKET.delete((await keys()).find((name) => name.endsWith('.sql')) ?? '');
		expect(await kindOf()).toBe('full');
	});

	test('if most rows have changed, under its own name, and nothing else is left', async () => {
		for (const budget of [UNLIMITED, { ...UNLIMITED, queries: 1, atomicBytes: 0 }]) {
			await run(env.DB, `UPDATE posts SET body = hex(randomblob(180))`);
			const before = await keys();
			expect(await kindOf({ budget })).toBe('full');
			const added = (await keys()).filter((name) => !before.includes(name));
			expect(added.filter((name) => !name.startsWith('full_backup_'))).toEqual([]);
			expect(await kindOf({ budget })).toBe('incremental');
		}
	});
});

test('a step that dies while its backup becomes a full one can be repeated, or a new one made', async () => {
	const budget = { ...UNLIMITED, queries: 1, atomicBytes: 0 };
	const changes = { budget };
	await fill(1000);
	let hasSwitched = false;
	for (let n = 1, calls = n; n <= calls; n++) {
		await createBackup(withParents({ fullDays: 0 }));
		await run(env.DB, `UPDATE posts SET body = hex(randomblob(180))`);
		let ticket = ticketOf(await startBackup(withParents(changes)));
		const first = await nameInLock();
		expect(first).toContain('incremental_backup_');
		while ((await nameInLock()) === first) {
			const dying = dyingEngine(withParents(changes), n, { afterwards: n % 2 === 0 });
			const step = await Promise.race([dying.died, resumeBackup(dying.engine, ticket)]);
			calls = Math.max(calls, dying.calls());
			if (step === null) break;
			ticket = ticketOf(step);
		}
		clock.now += LEASE_MS;
		const finished = await finish(ticket, changes);
		hasSwitched ||= finished.kind === 'full';
		const proof = await verifyBackup(withParents(), manifestKey(finished.name));
		expect(proof, `death at call ${n}`).toMatchObject({ proven: true, differences: [] });
		await createBackup(withParents({ fullDays: 0 }));
		const listed = new Set((await listBackups(withParents())).backups.map(({ name }) => name));
		const stray = (await keys()).filter((file) => !listed.has(backupOfFile(file) ?? ''));
		expect(stray, `left by a death at call ${n}`).toEqual([]);
		await emptyBucket();
	}
	expect(hasSwitched).toBe(true);
});

async function nameInLock(): Promise<string | undefined> {
	return (await readLock(env.MY_BUCKET, 'backup'))?.name;
}

async function finish(ticket: string, changes: Partial<Engine>): Promise<Manifest> {
	let step = await resumeBackup(withParents(changes), ticket);
	while ('resume' in step) step = await resumeBackup(withParents(changes), step.resume);
	return step.manifest;
}
