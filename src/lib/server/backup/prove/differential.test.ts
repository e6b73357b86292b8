import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';
import { change, flipBit } from '../../../../../tests/backups.ts';
import { backUpTwice, differentialEngine, type Pair } from '../../../../../tests/differentials.ts';
import { ENCODINGS, type EncodingTitle, identity, key } from '../../../../../tests/encodings.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { UNLIMITED } from '../make/budget.ts';
import { d1 } from '../database.ts';
import { type Manifest, printManifest, sqlBytesOf } from '../format/manifest.ts';
import { manifestKey, sliceListKey } from '../format/names.ts';
import type { Proof } from '../format/proof.ts';
import { openManifest, signManifest } from '../format/signature.ts';
import { slicesOf, type StoredSlice } from '../format/slices.ts';
import { drillFiles } from './drill.ts';
import { drillBackup, openBackup, verifyBackup } from './prove.ts';
import { verifyFiles } from './verify.ts';

// A differential is proven with all that it rests on.

const engine = differentialEngine();

const ways: Record<Proof['kind'], (backup: Manifest) => Promise<Proof>> = {
	verify: ({ name }) => verifyBackup(engine, manifestKey(name)),
	drill: ({ name }) => drillBackup(engine, env.DRILL_DB, manifestKey(name)),
};

/** A slice of the parent that the differential rests on, or one that it does not need. */
function sliceOfParent({ full, differential }: Pair, isUsed: boolean): StoredSlice {
	const used = new Set(slicesOf(differential, full)?.map(({ sha256 }) => sha256));
	const found = slicesOf(full, null)?.find(({ sha256 }) => used.has(sha256) === isUsed);
	if (!found) throw new Error('There is no slice of this kind.');
	return found;
}

const damage = ({ volume, offset, bytes }: StoredSlice) =>
	change(volume, (stored) => flipBit(stored, 8 * (offset + bytes / 2)));

describe.for(Object.keys(ENCODINGS) as EncodingTitle[])(
	'a differential stored as %s',
	(encoding) => {
		test.for([false, true])('is proven with its parent, made in steps: %s', async (inSteps) => {
			const budget = inSteps ? { ...UNLIMITED, bytes: 150_000, atomicBytes: 0 } : UNLIMITED;
			const { full, differential } = await backUpTwice(encoding, { budget });
			expect(full.volumes.length > 1).toBe(inSteps);
			const files = await openBackup(engine, manifestKey(differential.name));
			const whole = { ...files, identities: [identity] };
			const all = { proven: true, scope: 'contents', tables: 2, rows: 2051, differences: [] };
			const expected = { ...all, bytes: sqlBytesOf(differential) };
			expect(await verifyFiles(whole)).toMatchObject(expected);
			expect(await drillFiles(d1(env.COPY), whole, { sleep })).toMatchObject(expected);
		});

		test('is proven as stored where no identity opens it', async () => {
			const pair = await backUpTwice(encoding);
			const { scope, proven } = await verifyBackup(engine, manifestKey(pair.differential.name));
			const isEncrypted = pair.full.encryption !== null;
			expect({ scope, proven }).toEqual({
				scope: isEncrypted ? 'stored' : 'contents',
				proven: true,
			});
			await damage(sliceOfParent(pair, true));
			const damaged = await verifyBackup(engine, manifestKey(pair.differential.name));
			expect(damaged).toMatchObject({ scope, proven: false });
			expect(damaged.differences).toEqual([
				`The bytes of the volume ${pair.full.volumes[0]?.key} of the full backup are not those that were stored.`,
			]);
		});
	},
);

describe.for(Object.entries(ways))('to %s a differential', ([, prove]) => {
	test('names the file of the parent that is missing', async () => {
		const { full, differential } = await backUpTwice();
		const key = full.volumes[0]?.key ?? '';
		await env.MY_BUCKET.delete(key);
		const proof = await prove(differential);
		expect(proof.proven).toBe(false);
		expect(proof.differences).toEqual([`The volume ${key} of the full backup is missing.`]);
	});

	test('names a parent whose manifest is missing, or not the one that it was made with', async () => {
		const { full, differential } = await backUpTwice();
		const file = manifestKey(full.name);
		const { mac, ...unsigned } = full;
		const other = signManifest({ ...unsigned, warnings: ['another'] }, key);
		expect(openManifest(printManifest(other), [key]).manifest.mac).not.toBe(mac);
		for (const text of [printManifest(other), printManifest(differential), '{}']) {
			await env.MY_BUCKET.put(file, text);
			expect((await prove(differential)).differences).toEqual([
				`The manifest of ${full.name}, the full backup on which this one rests, is not the one that it was made with.`,
			]);
		}
		await env.MY_BUCKET.delete(file);
		expect((await prove(differential)).differences).toEqual([
			`The full backup ${full.name}, on which this one rests, is missing.`,
		]);
		await env.MY_BUCKET.put(file, printManifest(full));
		expect(await prove(differential)).toMatchObject({ proven: true });
	});

	test('names a volume of the parent that was cut off', async () => {
		const { full, differential } = await backUpTwice();
		const { key, bytes } = full.volumes[0] ?? { key: '', bytes: 0 };
		await change(key, (stored) => stored.slice(0, 100));
		expect((await prove(differential)).differences).toEqual([
			expect.stringMatching(
				`The volume ${key} of the full backup (has 100 bytes instead of|is shorter than its) ${bytes}`,
			),
		]);
	});

	test('finds no fault with slices of the parent that it does not need', async () => {
		const pair = await backUpTwice();
		await damage(sliceOfParent(pair, false));
		expect(await prove(pair.differential)).toMatchObject({ proven: true });
		expect(await prove(pair.full)).toMatchObject({ proven: false });
	});
});

describe('the list of slices', () => {
	test('is written again if it is missing', async () => {
		for (const { name } of Object.values(await backUpTwice())) {
			const list = sliceListKey(name);
			const text = await (await env.MY_BUCKET.get(list))?.text();
			await env.MY_BUCKET.delete(list);
			expect(await verifyBackup(engine, manifestKey(name))).toMatchObject({ proven: true });
			expect(await (await env.MY_BUCKET.get(list))?.text()).toBe(text);
			expect(text).toMatch(/^(\w+_backup_\S+ \d+ \d+\n)+$/);
		}
	});

	test('that lists others is a difference, and stays', async () => {
		for (const { name } of Object.values(await backUpTwice())) {
			const list = sliceListKey(name);
			await env.MY_BUCKET.put(list, 'other');
			expect((await verifyBackup(engine, manifestKey(name))).differences).toEqual([
				`${list} does not list the slices that the manifest has. Remove it.`,
			]);
			expect(await (await env.MY_BUCKET.get(list))?.text()).toBe('other');
		}
	});
});
