import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { backUp, createBackup, engine } from '../../../../tests/backups.ts';
import { key, otherKey } from '../../../../tests/encodings.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { plantManifest, unsigned } from '../../../../tests/plant.ts';
import { type Manifest, printManifest, printSummary } from '../backup/format/manifest.ts';
import { manifestKey, volumeKey } from '../backup/format/names.ts';
import { signManifest } from '../backup/format/signature.ts';
import { recordProof } from '../backup/prove/prove.ts';
import { backupKeys } from '../backup/settings.ts';
import { undueBackup } from './due.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 25);

beforeEach(reset);

const due = async (now: number) =>
	(await undueBackup(operationsOn(() => now, { maxAgeMs: 48 * HOUR }))) === null;

async function prove(name: string, kind: 'verify' | 'drill', proven: boolean, at: number) {
	const time = new Date(at).toISOString();
	await recordProof(engine({ now: () => at }), `${name}.manifest.json`, {
		...{ kind, by: 'a test', startedAt: time, finishedAt: time, proven, scope: 'contents' },
		...{ tables: 0, rows: 0, bytes: 1, differences: proven ? [] : ['x'] },
	});
}

describe('a backup is due', () => {
	test('when there is no backup, and when the newest is older than half the maximum age', async () => {
		expect(await due(NOW)).toBe(true);
		await backUp({ now: () => NOW });
		expect(await due(NOW + 23 * HOUR)).toBe(false);
		expect(await due(NOW + 24 * HOUR)).toBe(true);
	});

	test('when a key is not valid: the backup fails then, with an alert', async () => {
		await backUp({ now: () => NOW });
		const keys = () => backupKeys({ BACKUP_MAC_KEY: 'too short' });
		const operations = { ...operationsOn(() => NOW, { maxAgeMs: 48 * HOUR }), keys };
		expect(await undueBackup(operations)).toBeNull();
	});

	describe('although somebody without the secret has planted', () => {
		const operations = (now: number) => ({
			...operationsOn(() => now, { maxAgeMs: 48 * HOUR }),
			keys: () => [key],
		});
		const due = async (now: number) => (await undueBackup(operations(now))) === null;

		test.for([
			['a newer one, signed by them', (planted) => signManifest(unsigned(planted), otherKey)],
			['a newer one, signed by nobody', unsigned],
			['a newer one with the signature of an older', (planted) => planted],
		] satisfies [string, (planted: Manifest) => Manifest][])('%s', async ([, forge]) => {
			const manifest = await createBackup(engine({ keys: [key], now: () => NOW }));
			expect(await due(NOW + 20 * HOUR)).toBe(false);
			await plantManifest(manifest, NOW + 20 * HOUR, forge);
			expect((await undueBackup(operations(NOW + 20 * HOUR)))?.name).toBe(manifest.name);
			expect(await due(NOW + 24 * HOUR)).toBe(true);
		});

		test('one of the year 2099, even with the signature of the app', async () => {
			const far = Date.UTC(2099, 0);
			await createBackup(engine({ keys: [key], now: () => far }));
			expect(await due(NOW)).toBe(true);
			expect(await due(far)).toBe(false);
		});

		test('more of them than are read, and the metadata of the app itself is of an older version', async () => {
			const manifest = await createBackup(engine({ keys: [key], now: () => NOW }));
			const customMetadata = { summary: printSummary(manifest) ?? '' };
			await env.MY_BUCKET.put(manifestKey(manifest.name), printManifest(manifest), {
				customMetadata,
			});
			const forge = (planted: Manifest): Manifest => ({
				...planted,
				volumes: planted.volumes.map((volume) => ({ ...volume, key: volumeKey(planted.name, 1) })),
			});
			for (let count = 1; count <= 20; count++) await plantManifest(manifest, NOW + count, forge);
			expect(await due(NOW + HOUR)).toBe(true);
		});
	});

	test.for(['verify', 'drill'] as const)(
		'when a %s found the newest backup damaged',
		async (kind) => {
			const name = await backUp({ now: () => NOW });
			await prove(name, kind, true, NOW + 1);
			expect(await due(NOW + HOUR)).toBe(false);
			await prove(name, kind, false, NOW + 2);
			expect(await due(NOW + HOUR)).toBe(true);
		},
	);
});
