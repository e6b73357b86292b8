import { env } from 'cloudflare:workers';
import { generateX25519Identity } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flipBit } from '../../../../../tests/backups.ts';
import { isTurn } from '../../../../../tests/counts.ts';
import { SHOP } from '../../../../../tests/databases/shop.ts';
import { ENCODINGS, type EncodingTitle, otherKey } from '../../../../../tests/encodings.ts';
import {
	backupOf,
	bytesOf,
	described,
	inMemory,
	sleep,
	sourceOf,
} from '../../../../../tests/memory.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { d1 } from '../database.ts';
import { drillFiles } from './drill.ts';
import type { Manifest } from '../format/manifest.ts';
import { ownSlices } from '../format/slices.ts';
import { readContents } from '../restore/contents.ts';
import { verifyFiles } from './verify.ts';
import { type BackupFiles, sqlOf } from './files.ts';

// Damage is always found: no changed backup passes.

const copy = d1(env.COPY);

type Damage = (bytes: Uint8Array, dice: (below: number) => number) => Uint8Array;

/** The combined findings of verification and drill; the target must be empty afterwards. */
async function found(files: BackupFiles): Promise<string[]> {
	const verified = await verifyFiles(files);
	const drilled = await drillFiles(copy, files, { sleep });
	expect((await readContents(copy, sleep)).objects).toEqual([]);
	expect(verified.proven).toBe(verified.differences.length === 0);
	return [...verified.differences, ...drilled.differences];
}

/** The backup in two volumes, like a larger one. */
async function backupInVolumes(): Promise<{
	manifest: Manifest;
	volumes: Map<string, Uint8Array>;
}> {
	const files = await backupOf(SHOP);
	const bytes = await bytesOf(sqlOf(files));
	const parts = [bytes.subarray(0, 20_000), bytes.subarray(20_000)];
	const keys = ['', '.2'].map((number) => `${files.manifest.name}${number}.sql`);
	const volumes = new Map(keys.map((key, index) => [key, parts[index] ?? new Uint8Array()]));
	return { manifest: described(files.manifest, volumes), volumes };
}

/** Damage to the text, as a program's bug might cause it. */
const edit =
	(change: (lines: string[], dice: (below: number) => number) => void): Damage =>
	(bytes, dice) => {
		const lines = new TextDecoder().decode(bytes).split('\n');
		change(lines, dice);
		return new TextEncoder().encode(lines.join('\n'));
	};

/** Picks a line that is a row, but not the last of its statement. */
const aRow = (lines: string[], dice: (below: number) => number): number => {
	const rows = lines.flatMap((line, at) => (/^\(\d+,.*\),$/.test(line) ? [at] : []));
	return rows[dice(rows.length)] ?? 0;
};

const damages: Record<string, Damage> = {
	// The end of the last line carries no meaning.
	'a cut': (bytes, dice) => bytes.slice(0, dice(bytes.length - 1)),
	'a lost row': edit((lines, dice) => void lines.splice(aRow(lines, dice), 1)),
	'two swapped values': edit((lines, dice) => {
		const at = aRow(lines, dice);
		const [id, ...values] = (lines[at] ?? '').slice(1, -2).split(',');
		lines[at] = `(${[values[0], id, ...values.slice(1)].join(',')}),`;
	}),
	'a lost statement': edit((lines, dice) => {
		const whole = lines.flatMap((line, at) => (/^(CREATE|INSERT).*;$/.test(line) ? [at] : []));
		lines.splice(whole[dice(whole.length)] ?? 0, 1);
	}),
};

/** A volume as it is stored. */
async function* stream({ open }: BackupFiles, key: string): AsyncGenerator<Uint8Array> {
	yield* (await open(key)) ?? [];
}

describe('damaged contents', () => {
	const random = settings(200);

	test('never pass, even if the manifest describes the damaged volumes', random.test, async () => {
		const { manifest, volumes } = await backupInVolumes();
		const joined = await bytesOf(sqlOf(inMemory(manifest, volumes)));
		const key = `${manifest.name}.sql`;
		const kinds = fc.constantFrom(...Object.keys(damages));
		const dices = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
		await fc.assert(
			fc.asyncProperty(kinds, dices, async (kind, stream) => {
				const dice = (below: number) => Math.floor(stream.next().value * below);
				const damaged = new Map([[key, damages[kind]?.(joined, dice) ?? joined]]);
				const files = inMemory(described(manifest, damaged), damaged);
				expect(await found(files), kind).not.toEqual([]);
			}),
			random.check,
		);
	});
});

describe('a verification', () => {
	test('names a volume that is missing', async () => {
		const { manifest, volumes } = await backupInVolumes();
		volumes.delete(`${manifest.name}.2.sql`);
		const { proven, differences } = await verifyFiles(inMemory(manifest, volumes));
		expect(proven).toBe(false);
		expect(differences).toEqual([`The volume ${manifest.name}.2.sql is missing.`]);
	});

	test('names the tables whose rows differ', async () => {
		const { manifest, volumes } = await backupInVolumes();
		const text = new TextDecoder().decode(await bytesOf(sqlOf(inMemory(manifest, volumes))));
		const changed = new Map([
			[`${manifest.name}.sql`, new TextEncoder().encode(text.replace("'user 7'", "'user 8'"))],
		]);
		const { differences } = await verifyFiles(inMemory(described(manifest, changed), changed));
		expect(differences).toEqual(['The table "users" has other rows.']);
	});

	test('fails when the files cannot be read, which is not damage', async () => {
		const { manifest } = await backupInVolumes();
		const open = () => Promise.reject(new Error('the bucket is away'));
		await expect(verifyFiles({ manifest, open })).rejects.toThrow('the bucket is away');
	});

	test('names the volume whose damaged SQL D1 rejects', async () => {
		const files = await backupOf(SHOP);
		const key = files.manifest.volumes[0]?.key ?? '';
		const text = new TextDecoder().decode(await bytesOf(sqlOf(files)));
		const changed = text.replace('INSERT INTO "users"', 'INSERT INTO sqlite_schema');
		const { manifest } = files;
		const damaged = inMemory(manifest, new Map([[key, new TextEncoder().encode(changed)]]));
		const { differences } = await verifyFiles({ ...files, open: damaged.open });
		expect(differences).toEqual([
			expect.stringContaining(`The bytes of the volume ${key} are not`),
		]);
	});
});

describe('the SQL of a backup', () => {
	test('is not released before all stored bytes are compared', async () => {
		const { manifest, volumes } = await backupInVolumes();
		const [, last = ''] = volumes.keys();
		const damaged = new Map(volumes).set(last, flipBit(volumes.get(last) ?? new Uint8Array(), 7));
		const reading = sqlOf(inMemory(manifest, damaged)).open()[Symbol.asyncIterator]();
		await expect(reading.next()).rejects.toMatchObject({ code: 'backup_damaged', status: 422 });
	});

	test('must be read to its end', async () => {
		const { manifest, volumes } = await backupInVolumes();
		const read = async () => {
			for await (const chunk of sqlOf(inMemory(manifest, volumes)).open()) return chunk;
		};
		await expect(read()).rejects.toThrow('not read to its end');
	});
});

describe.for(Object.keys(ENCODINGS) as EncodingTitle[])('a backup stored as %s', (encoding) => {
	test('is proven by verification and drill', async () => {
		const files = await backupOf(SHOP, encoding);
		const all = { proven: true, scope: 'contents', tables: 3, rows: 502, differences: [] };
		expect(await verifyFiles(files)).toMatchObject(all);
		expect(await drillFiles(copy, files, { sleep })).toMatchObject(all);
	});

	test('with any byte damaged is not proven', async () => {
		const files = await backupOf(
			[['CREATE TABLE t (x)'], [`INSERT INTO t VALUES ('a')`]],
			encoding,
		);
		const [volume] = files.manifest.volumes;
		const stored = await bytesOf({ open: () => stream(files, volume?.key ?? '') });
		for (const [at, byte] of stored.entries()) {
			if (!isTurn(at, 8)) continue;
			const open = async () => sourceOf(stored.with(at, byte ^ 1)).open();
			const { proven, differences } = await verifyFiles({ ...files, open });
			expect([at, proven]).toEqual([at, false]);
			expect(differences).toHaveLength(1);
		}
	});
});

describe('an encrypted backup', () => {
	const encoding = 'gzip and age';

	test('is proven only as stored when no identity opens it', async () => {
		const files = { ...(await backupOf(SHOP, encoding)), identities: [] };
		const bytes = files.manifest.volumes.reduce((sum, volume) => sum + volume.bytes, 0);
		const told: number[] = [];
		expect(await verifyFiles(files, (done) => told.push(done))).toEqual({
			...{ proven: true, scope: 'stored', tables: 0, rows: 0, bytes },
			...{ differences: [], survey: null },
		});
		expect(told.at(-1)).toBe(bytes);
	});

	test('is found damaged even if no identity opens it', async () => {
		const files = { ...(await backupOf(SHOP, encoding)), identities: [] };
		const none = async () => null;
		expect(await verifyFiles({ ...files, open: none })).toMatchObject({
			...{ proven: false, scope: 'stored' },
			differences: [expect.stringContaining('missing')],
		});
		const cut = async () => sourceOf('age-encryption.org/v1\n').open();
		expect(await verifyFiles({ ...files, open: cut })).toMatchObject({
			...{ proven: false, scope: 'stored' },
			differences: [expect.stringContaining('22 bytes instead of')],
		});
	});

	test('is not drilled when no identity opens it, and the target is left alone', async () => {
		const files = { ...(await backupOf(SHOP, encoding)), identities: [] };
		const untouched = { batch: () => Promise.reject(new Error('touched')) };
		await expect(drillFiles(untouched, files, { sleep })).rejects.toMatchObject({
			code: 'backup_encrypted',
			status: 409,
		});
	});

	test('that is encrypted to others is reported as that', async () => {
		const files = {
			...(await backupOf(SHOP, encoding)),
			identities: [await generateX25519Identity()],
		};
		await expect(verifyFiles(files)).rejects.toMatchObject({ code: 'identity_wrong', status: 422 });
	});

	test('that is damaged is reported as damaged, not as encrypted to others', async () => {
		const identities = [await generateX25519Identity()];
		for (const stored of ['age', 'gzip and age'] as const) {
			const files = { ...(await backupOf(SHOP, stored)), identities };
			const bytes = await bytesOf({
				open: () => stream(files, files.manifest.volumes[0]?.key ?? ''),
			});
			for (const [at, sizes] of [
				[0, [65_536]],
				[30, [1]],
				[30, [150]],
				[30, [65_536]],
				[100, [1000]],
				[bytes.length - 1, [100]],
			] as const) {
				const damaged = bytes.with(at, (bytes[at] ?? 0) ^ 1);
				const open = async () => sourceOf(damaged, [...sizes]).open();
				const { proven, differences } = await verifyFiles({ ...files, open });
				expect([at, proven, differences]).toEqual([at, false, [expect.stringMatching(/volume/)]]);
			}
		}
	});

	test('has digests in its manifest that are hidden with a key', async () => {
		const files = await backupOf(SHOP, encoding);
		const plain = await backupOf(SHOP, 'gzip');
		const digests = ({ manifest }: BackupFiles) => [
			...[manifest.schema, ...manifest.tables].map(({ sha256 }) => sha256),
			...(ownSlices(manifest) ?? []).map(({ content }) => content),
		];
		expect(digests(files).some((digest) => digests(plain).includes(digest))).toBe(false);
		const [volume] = files.manifest.volumes;
		expect((await verifyFiles({ ...files, key: otherKey })).differences).toEqual([
			`The volume ${volume?.key} has other SQL than its manifest says.`,
		]);
	});

	test('is compared by names and counts if the key is unknown', async () => {
		const files = { ...(await backupOf(SHOP, encoding)), key: null };
		expect(await verifyFiles(files)).toMatchObject({ proven: true, scope: 'contents' });
		const tables = files.manifest.tables.map((table) => ({ ...table, rows: table.rows + 1 }));
		const { proven } = await verifyFiles({ ...files, manifest: { ...files.manifest, tables } });
		expect(proven).toBe(false);
	});
});
