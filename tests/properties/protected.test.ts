import { env } from 'cloudflare:workers';
import type { D1Database } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../reset.ts';
import { backUp, change, createBackup, engine, flipBit, keys } from '../backups.ts';
import { apply } from '../databases/sql.ts';
import { ENCODINGS, key, otherKey } from '../encodings.ts';
import { listBackups } from '../../src/lib/server/backup/index.ts';
import { printManifest } from '../../src/lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import {
	type OutsideProof,
	parseProof,
	proofKey,
} from '../../src/lib/server/backup/format/proof.ts';
import { drillBackup, recordProof, verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';

// How encryption and signatures affect proofs.

beforeEach(reset);

describe('an encrypted backup', () => {
	const encrypting = { encoding: ENCODINGS['gzip and age'], keys: [key] };

	test('is verified as stored, and the list shows only that scope', async () => {
		const name = await backUp(encrypting);
		const volume = `${name}.sql.gz.age`;
		const { size } = (await env.MY_BUCKET.head(volume)) ?? {};
		const proof = await verifyBackup(engine(encrypting), volume);
		expect(proof).toMatchObject({
			...{ kind: 'verify', proven: true, scope: 'stored', differences: [] },
			...{ tables: 0, rows: 0, bytes: size },
		});
		const stored = await env.MY_BUCKET.get(proofKey(name, proof.finishedAt));
		expect(parseProof(await stored?.text())).toEqual(proof);
		expect((await listBackups(engine())).backups).toMatchObject([
			{ name, verified: { proven: true, scope: 'stored' }, drilled: null },
		]);
	});

	test('with any bit flipped fails verification', async () => {
		const name = await backUp(encrypting);
		const volume = `${name}.sql.gz.age`;
		const size = (await env.MY_BUCKET.head(volume))?.size ?? 0;
		for (let bit = 3; bit < 8 * size; bit += 499) {
			await change(volume, (bytes) => flipBit(bytes, bit));
			const proof = await verifyBackup(engine(encrypting), volume);
			expect([bit, proof.proven, proof.scope]).toEqual([bit, false, 'stored']);
			await change(volume, (bytes) => flipBit(bytes, bit));
		}
	});

	test('is not drilled, and the attempt changes nothing', async () => {
		const name = await backUp(encrypting);
		const before = await keys();
		const untouched = { withSession: () => expect.unreachable() } as unknown as D1Database;
		await expect(
			drillBackup(engine(encrypting), untouched, `${name}.sql.gz.age`),
		).rejects.toMatchObject({
			...{ code: 'backup_encrypted', status: 409 },
			hint: expect.stringContaining('npm run drill'),
		});
		expect(await keys()).toEqual(before);
	});

	test('has none of the digests of its contents in its manifest', async () => {
		await apply(env.DB, [['CREATE TABLE t (x)'], [`INSERT INTO t VALUES ('a')`]]);
		const plain = await createBackup(engine({ keys: [key] }));
		const hidden = printManifest(await createBackup(engine(encrypting)));
		const described = [plain.schema, ...plain.tables].map(({ sha256 }) => sha256);
		const digests = [...described, ...(plain.slices ?? []).map((slice) => slice.split(' ').at(-1))];
		expect(digests.length).toBeGreaterThan(2);
		for (const digest of digests) expect(hidden).not.toContain(digest);
	});

	test('is not made without a key to hide its digests', async () => {
		const { encoding } = encrypting;
		await expect(backUp({ encoding })).rejects.toThrow('need a key');
		expect(await keys()).toEqual([]);
	});
});

describe.for(Object.entries(ENCODINGS))('the manifest of a backup stored as %s', ([, encoding]) => {
	const ours = { encoding, keys: [key] };
	const rotated = engine({ keys: [otherKey, key] });

	const outside: OutsideProof = {
		...{ kind: 'drill', by: 'somebody', proven: true, scope: 'contents', differences: [] },
		...{ startedAt: '2026-11-01T00:00:00.000Z', finishedAt: '2026-11-01T00:00:01.000Z' },
		...{ tables: 0, rows: 0, bytes: 0 },
	};

	test('is refused when another secret signed it, and no proof is made', async () => {
		const name = await backUp({ encoding, keys: [otherKey] });
		const before = await keys();
		for (const prove of [
			() => verifyBackup(engine(ours), manifestKey(name)),
			() => drillBackup(engine(ours), env.DRILL_DB, manifestKey(name)),
			() => recordProof(engine(ours), manifestKey(name), outside),
		]) {
			await expect(prove()).rejects.toMatchObject({ code: 'manifest_forged', status: 422 });
		}
		expect(await keys()).toEqual(before);
	});

	test('passes after the secret has changed, as long as the old one is known', async () => {
		const name = await backUp(ours);
		expect(await verifyBackup(rotated, manifestKey(name))).toMatchObject({ proven: true });
	});

	test('cannot be moved to another backup, though it is signed', async () => {
		const name = await backUp(ours);
		const other = 'full_backup_2026-01-01T00:00:00.000Z';
		const manifest = (await (await env.MY_BUCKET.get(manifestKey(name)))?.text()) ?? '';
		await env.MY_BUCKET.put(manifestKey(other), manifest);
		await expect(verifyBackup(rotated, manifestKey(other))).rejects.toMatchObject({
			code: 'backup_not_found',
		});
	});
});
