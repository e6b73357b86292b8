import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import {
	backUp,
	change,
	clock,
	createBackup,
	engine,
	flipBit,
	keys,
} from '../../../../tests/backups.ts';
import { key, otherKey } from '../../../../tests/encodings.ts';
import type { R2Bucket } from '../platform.ts';
import type { Engine } from './engine.ts';
import { listBackups } from './index.ts';
import type { LastProof } from './format/manifest.ts';
import { manifestKey } from './format/names.ts';
import { parseProof, printProof, type Proof, proofKey, summarizeProof } from './format/proof.ts';
import { printProofSummary, signProof } from './format/signature.ts';
import { drillBackup, recordProof, verifyBackup } from './prove/prove.ts';
import { LOCK_KEYS } from './storage/lock.ts';

beforeEach(async () => {
	await reset();
	clock.now = Date.UTC(2026, 10, 22); // below are times after that, and other tests move it
});

describe('the proofs in the list', () => {
	/** The bucket, with a count of the calls of each method. */
	function counting(): { bucket: R2Bucket; calls: Record<string, number> } {
		const calls: Record<string, number> = {};
		const bucket = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (typeof value !== 'function') return value;
				return (...parameters: unknown[]) => {
					calls[String(property)] = (calls[String(property)] ?? 0) + 1;
					return value.apply(target, parameters);
				};
			},
		});
		return { bucket, calls };
	}

	async function proven(): Promise<string> {
		const name = await backUp();
		await verifyBackup(engine(), `${name}.sql`);
		await drillBackup(engine(), env.DRILL_DB, `${name}.sql`);
		return name;
	}

	test('show the newest proof of each kind, and none of another backup', async () => {
		const name = await proven();
		const other = (await createBackup(engine())).name;
		await verifyBackup(engine(), `${name}.sql`);
		const drilled = await drillBackup(engine(), env.DRILL_DB, `${name}.sql`);
		await change(`${name}.sql`, (bytes) => flipBit(bytes, 999));
		const verified = await verifyBackup(engine(), `${name}.sql`);
		const late = { ...drilled, by: 'someone', startedAt: '2026-11-01T00:00:00.000Z' };
		const { kind, by, startedAt, tables, rows, bytes } = late;
		await recordProof(engine(), `${name}.sql`, {
			...{ kind, by, startedAt, finishedAt: '2026-11-21T00:00:00.000Z' },
			...{ proven: false, scope: 'contents', tables, rows, bytes, differences: ['It came late.'] },
		});
		expect((await listBackups(engine())).backups).toMatchObject([
			{ name: other, verified: null, drilled: null },
			{
				name,
				verified: { at: verified.finishedAt, proven: false },
				drilled: { at: drilled.finishedAt, proven: true },
			},
		]);
	});

	test('are read from metadata, without reading objects', async () => {
		await proven();
		await createBackup(engine());
		const { bucket, calls } = counting();
		const { backups } = await listBackups(engine({ bucket }));
		expect(backups).toMatchObject([{ drilled: null }, { drilled: { proven: true } }]);
		expect(calls).toEqual({ list: 2 });
	});

	test('are the same if another tool copied the objects without metadata', async () => {
		const name = await proven();
		const before = await listBackups(engine());
		for (const key of await keys()) await change(key, (bytes) => bytes);
		expect((await env.MY_BUCKET.head(manifestKey(name)))?.customMetadata).toEqual({});
		expect(await listBackups(engine())).toEqual(before);
	});

	test('skip unreadable objects and proofs of something else', async () => {
		const name = await proven();
		const [backup] = (await listBackups(engine())).backups;
		await env.MY_BUCKET.put(proofKey(name, '2026-11-23T00:00:00.000Z'), 'damaged');
		const other = { backup: 'full_backup_2020-01-01T00:00:00.000Z', proven: false };
		const object = await env.MY_BUCKET.get(proofKey(name, backup?.verified?.at ?? ''));
		const text = JSON.stringify({ ...parseProof(await object?.text()), ...other });
		await env.MY_BUCKET.put(proofKey(name, '2026-11-23T00:00:00.001Z'), text);
		await env.MY_BUCKET.put(`${name}.proof-latest.json`, text);
		const now = () => Date.UTC(2026, 10, 24);
		expect((await listBackups(engine({ now }))).backups).toEqual([backup]);
	});

	describe('that somebody without the secret put there', () => {
		const signing = (changes: Partial<Engine> = {}) => engine({ keys: [key], ...changes });
		const TIME = '2026-11-23T00:00:00.000Z';
		const late = () => Date.parse(TIME) + 1;

		/** A backup whose last drill failed, and the object of an earlier one that succeeded. */
		async function failed(): Promise<{ name: string; drilled: Proof; text: string }> {
			const name = await backUp({ keys: [key] });
			const good = await drillBackup(signing(), env.DRILL_DB, `${name}.sql`);
			await change(`${name}.sql`, (bytes) => flipBit(bytes, 999));
			const drilled = await drillBackup(signing(), env.DRILL_DB, `${name}.sql`);
			const object = await env.MY_BUCKET.get(proofKey(name, good.finishedAt));
			return { name, drilled, text: (await object?.text()) ?? '' };
		}

		/** The last drill that the list shows for a backup of this name. */
		async function drilled(name: string, now = late): Promise<LastProof | null> {
			const { backups } = await listBackups(signing({ now }));
			return backups.find((backup) => backup.name === name)?.drilled ?? null;
		}

		test.for([
			['with metadata', true],
			['without metadata', false],
		] as const)('%s do not count', async ([, hasMetadata]) => {
			const { name, drilled: last, text } = await failed();
			const real = { at: last.finishedAt, proven: false, scope: 'contents' };
			expect(await drilled(name)).toEqual(real);
			const good = parseProof(text);
			if (!good) throw new Error('There is no proof.');
			const bare = { ...good };
			delete bare.mac;
			const forged: [string, Proof][] = [
				[TIME, { ...bare, finishedAt: TIME }],
				[TIME, signProof({ ...bare, finishedAt: TIME }, otherKey)],
				[TIME, { ...good, finishedAt: TIME }],
				[TIME, good], // an earlier one under a later name
			];
			for (const [at, proof] of forged) {
				const signer = proof.mac === undefined ? null : otherKey;
				const own = printProofSummary(name, summarizeProof(proof), proof === good ? key : signer);
				const metadata = { customMetadata: { summary: own } };
				await env.MY_BUCKET.put(proofKey(name, at), printProof(proof), hasMetadata ? metadata : {});
				expect(await drilled(name), own).toEqual(real);
			}
		});

		test('do not count for a backup that the proof is not about', async () => {
			const { name, text } = await failed();
			const other = (await createBackup(signing())).name;
			const at = parseProof(text)?.finishedAt ?? '';
			const object = await env.MY_BUCKET.get(proofKey(name, at));
			const { customMetadata = {} } = object ?? {};
			for (const metadata of [{ customMetadata }, {}]) {
				await env.MY_BUCKET.put(proofKey(other, at), text, metadata);
				expect(await drilled(other)).toBeNull();
			}
		});
	});

	test('from the future do not count', async () => {
		const name = await backUp({ keys: [key] });
		const far = clock.now + 6 * 60_000;
		await drillBackup(engine({ keys: [key], now: () => far }), env.DRILL_DB, `${name}.sql`);
		const drilled = async (now: number) =>
			(await listBackups(engine({ keys: [key], now: () => now }))).backups[0]?.drilled;
		expect(await drilled(clock.now)).toBeNull();
		expect(await drilled(far)).toMatchObject({ proven: true });
	});

	test('are neither shown nor read for a backup without a manifest', async () => {
		const older = await proven();
		const newer = (await createBackup(engine())).name;
		await verifyBackup(engine(), `${newer}.sql`);
		await env.MY_BUCKET.delete(manifestKey(newer));
		for (const key of (await keys()).filter((stored) => stored.startsWith(newer))) {
			await change(key, (bytes) => bytes);
		}
		const { bucket, calls } = counting();
		const { backups } = await listBackups(engine({ bucket }));
		expect(backups.map(({ name }) => name)).toEqual([older]);
		expect(calls).toEqual({ list: 2 });
	});
});

test('the leftovers of an abandoned backup are removed, even if it has proofs', async () => {
	const name = await backUp();
	await verifyBackup(engine(), `${name}.sql`);
	const complete = await keys();
	const dead = 'full_backup_2026-01-01T00:00:00.000Z';
	await env.MY_BUCKET.put(`${dead}.sql`, 'half');
	for (const abandoned of [dead, name]) {
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name: abandoned, until: 0 }));
		await createBackup(engine());
	}
	expect(await keys()).toEqual(expect.arrayContaining(complete));
	expect(await keys()).not.toContain(`${dead}.sql`);
});
