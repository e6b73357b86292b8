import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import {
	backUp,
	change,
	clock,
	engine,
	flipBit,
	keys,
	run,
	createBackup,
} from '../../../../../tests/backups.ts';
import { manifestKey } from '../format/names.ts';
import { type OutsideProof, parseProof, type Proof, proofKey } from '../format/proof.ts';
import { drillBackup, recordProof, verifyBackup } from './prove.ts';

beforeEach(reset);

async function storedProof({ backup, finishedAt }: Proof): Promise<Proof | null> {
	const object = await env.MY_BUCKET.get(proofKey(backup, finishedAt));
	return parseProof(await object?.text());
}

/** The ways to prove a backup, which must agree. */
const ways: Record<Proof['kind'], (name: string) => Promise<Proof>> = {
	verify: (name) => verifyBackup(engine(), name),
	drill: (name) => drillBackup(engine(), env.DRILL_DB, name),
};

describe.for(Object.entries(ways))('to %s', ([kind, prove]) => {
	test('an intact backup proves it, and stores the proof', async () => {
		const name = await backUp();
		const before = await keys();
		const proof = await prove(`${name}.sql`);
		const size = (await env.MY_BUCKET.head(`${name}.sql`))?.size;
		expect(proof).toMatchObject({
			...{ format: 1, backup: name, kind, by: 'worker', proven: true, differences: [] },
			...{ tables: 4, rows: 8, bytes: size },
		});
		expect(proof.startedAt < proof.finishedAt).toBe(true);
		expect(await storedProof(proof)).toEqual(proof);
		expect(await keys()).toEqual([...before, proofKey(name, proof.finishedAt)].sort());
	});

	test('finds the backup by any of its files', async () => {
		const name = await backUp();
		const first = await prove(manifestKey(name));
		const second = await prove(proofKey(name, first.finishedAt));
		expect([first.backup, second.backup]).toEqual([name, name]);
	});

	test.for(['other.sql', '', 'lifeboat.lock', 'full_backup_2026-01-01T00:00:00.000Z.sql'])(
		'"%s" is refused, as it names no backup',
		async (file) => {
			await backUp();
			if (file) await env.MY_BUCKET.put(file, 'x');
			const before = await keys();
			await expect(prove(file)).rejects.toMatchObject({ code: 'backup_not_found', status: 404 });
			expect(await keys()).toEqual(before);
		},
	);

	test('a backup with any bit flipped reports the difference', async () => {
		const name = await backUp();
		const size = (await env.MY_BUCKET.head(`${name}.sql`))?.size ?? 0;
		for (let bit = 3; bit < 8 * size; bit += 997) {
			await change(`${name}.sql`, (bytes) => flipBit(bytes, bit));
			const proof = await prove(`${name}.sql`);
			expect([bit, proof.proven]).toEqual([bit, false]);
			expect(proof.differences).not.toEqual([]);
			expect(await storedProof(proof)).toEqual(proof);
			await change(`${name}.sql`, (bytes) => flipBit(bytes, bit));
		}
		expect(await prove(`${name}.sql`)).toMatchObject({ proven: true });
	});

	test('a backup without its volume reports the missing volume', async () => {
		const name = await backUp();
		await env.MY_BUCKET.delete(`${name}.sql`);
		const proof = await prove(`${name}.sql`);
		expect(proof).toMatchObject({
			proven: false,
			differences: [expect.stringContaining('missing')],
		});
	});

	test('a backup whose manifest names another one’s file reports the difference', async () => {
		const name = await backUp();
		await run(env.DB, `UPDATE a SET x = 3 WHERE id = 1`);
		const other = (await createBackup(engine())).name;
		await change(manifestKey(name), (bytes) => {
			const text = new TextDecoder().decode(bytes);
			return new TextEncoder().encode(text.replaceAll(`${name}.sql`, `${other}.sql`));
		});
		expect(await prove(`${name}.sql`)).toMatchObject({ proven: false });
	});

	test('a manifest under the name of another backup is refused, as in the list', async () => {
		const name = await backUp();
		const copy = 'full_backup_2026-01-01T00:00:00.000Z';
		const manifest = await env.MY_BUCKET.get(manifestKey(name));
		await env.MY_BUCKET.put(manifestKey(copy), (await manifest?.text()) ?? '');
		await expect(prove(manifestKey(copy))).rejects.toMatchObject({ code: 'backup_not_found' });
	});

	test('a backup whose manifest is damaged is an error', async () => {
		const name = await backUp();
		await change(manifestKey(name), (bytes) => bytes.subarray(1));
		const before = await keys();
		await expect(prove(`${name}.sql`)).rejects.toMatchObject({ code: 'manifest_unreadable' });
		expect(await keys()).toEqual(before);
	});
});

test('a bucket that fails while a backup is read does not count as damage', async () => {
	const name = await backUp();
	const body = new ReadableStream({ pull: (controller) => controller.error(new Error('away')) });
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, property) {
			if (property !== 'get') return Reflect.get(target, property).bind(target);
			return async (key: string) => (key.endsWith('.sql') ? { body } : target.get(key));
		},
	});
	const before = await keys();
	const attempt = verifyBackup(engine({ bucket }), `${name}.sql`);
	await expect(attempt).rejects.toMatchObject({ code: 'storage_error', status: 500 });
	expect(await keys()).toEqual(before);
});

describe('a proof from outside', () => {
	const outside = (changes: Partial<OutsideProof> = {}): OutsideProof => {
		const at = new Date(clock.now).toISOString();
		return {
			...{ kind: 'drill', by: 'GitHub Actions', startedAt: at, finishedAt: at },
			...{ proven: true, scope: 'contents', tables: 4, rows: 8, bytes: 1000, differences: [] },
			...changes,
		};
	};

	test('is stored next to the backup', async () => {
		const name = await backUp();
		const found = outside();
		const proof = await recordProof(engine(), `${name}.sql`, found);
		expect(proof).toEqual({
			...{ format: 1, backup: name, ...found, warnings: [] },
			engine: expect.anything(),
		});
		expect(await storedProof(proof)).toEqual(proof);
	});

	test('that is sent twice is stored once; another one never overwrites it', async () => {
		const name = await backUp();
		const found = outside();
		const proof = await recordProof(engine(), `${name}.sql`, found);
		const before = await keys();
		expect(await recordProof(engine(), `${name}.sql`, found)).toEqual(proof);
		const other = outside({ ...found, proven: false });
		await expect(recordProof(engine(), `${name}.sql`, other)).rejects.toMatchObject({
			code: 'proof_exists',
			status: 409,
		});
		expect(await keys()).toEqual(before);
		expect(await storedProof(proof)).toEqual(proof);
	});

	test('from the future is refused, but a clock may be slightly ahead', async () => {
		const name = await backUp();
		const before = await keys();
		const ahead = (milliseconds: number) =>
			recordProof(
				engine(),
				`${name}.sql`,
				outside({ finishedAt: new Date(clock.now + milliseconds).toISOString() }),
			);
		await expect(ahead(10 * 60_000)).rejects.toMatchObject({
			code: 'proof_from_future',
			status: 400,
		});
		expect(await keys()).toEqual(before);
		await expect(ahead(60_000)).resolves.toBeTruthy();
	});

	test('of an unknown backup is refused', async () => {
		const name = await backUp();
		await env.MY_BUCKET.delete(manifestKey(name));
		const before = await keys();
		await expect(recordProof(engine(), `${name}.sql`, outside())).rejects.toMatchObject({
			code: 'backup_not_found',
		});
		expect(await keys()).toEqual(before);
	});
});
