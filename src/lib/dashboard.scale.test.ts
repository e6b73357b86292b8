import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import { clock, createBackup, engine, run } from '../../tests/backups.ts';
import { ADDRESS, SECRET } from '../../tests/calls.ts';
import { LONG } from '../../tests/counts.ts';
import { reset } from '../../tests/reset.ts';
import { lifeboat } from './index.ts';
import type { Manifest } from './server/backup/format/manifest.ts';
import { backupName, volumeKey } from './server/backup/format/names.ts';
import { deriveKey, signManifest } from './server/backup/format/signature.ts';
import { backupKeys } from './server/backup/settings.ts';
import { commitManifest } from './server/backup/storage/bucket.ts';

// A bucket with many backups: what the dashboard's first page costs.

const COUNT = LONG ? 5_000 : 600;
const ORIGIN = 'https://app.example';
const HOUR = 3_600_000;

beforeAll(async () => {
	await reset();
	clock.now = Date.now() - HOUR;
	await run(env.DB, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
	const manifest = await createBackup(engine());
	for (let index = 1; index < COUNT; index++) await plant(manifest, clock.now - index * 6 * HOUR);
}, 600_000);

/** A backup like this one from another time. */
async function plant(manifest: Manifest, at: number): Promise<void> {
	const name = backupName('full', new Date(at));
	const [signer = deriveKey(new Uint8Array(32))] = backupKeys({ TOTP_SECRET: SECRET });
	const startedAt = new Date(at).toISOString();
	const [volume] = manifest.volumes;
	if (volume === undefined) throw new Error('The backup has no volume.');
	const key = volumeKey(name, 1, volume.encodings);
	const volumes = [{ ...volume, key }];
	const own = signManifest(
		{ ...manifest, name, startedAt, finishedAt: startedAt, volumes },
		signer,
	);
	await commitManifest({ bucket: env.MY_BUCKET, sleep: async () => {}, signer }, own);
	await env.MY_BUCKET.put(key, new Uint8Array(volume.bytes));
}

test('the first page reads no backup one by one, and stays small', async () => {
	const calls: string[] = [];
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, name: keyof R2Bucket) {
			const method: unknown = target[name];
			if (typeof method !== 'function') return method;
			return (...args: unknown[]): unknown => {
				calls.push(name);
				return Reflect.apply(method, target, args);
			};
		},
	});
	const authorize = async () => ({ account: '1', name: 'Ada', since: Date.now() });
	const { dashboard } = lifeboat({ authorize });
	const bindings = { DB: env.DB, MY_BUCKET: bucket, TOTP_SECRET: SECRET };
	const load = async () => {
		calls.length = 0;
		const url = new URL('/backups', ORIGIN);
		const event = { request: new Request(url), url, platform: { env: bindings } };
		const startedAt = performance.now();
		const page = await dashboard.status({ ...event, getClientAddress: () => ADDRESS });
		return { page, milliseconds: performance.now() - startedAt, calls: [...calls] };
	};
	const [first, second] = [await load(), await load()];
	expect(first.page.shown?.holdings.backups).toBe(COUNT);
	expect(first.page.shown?.backups).toHaveLength(20);
	const bytes = JSON.stringify(first.page).length;
	expect(bytes).toBeLessThan(50_000);
	const ofKind = (all: string[], kind: string) => all.filter((name) => name === kind).length;
	expect(ofKind(first.calls, 'get')).toBeLessThan(12);
	expect(ofKind(second.calls, 'list')).toBeLessThan(4);
	const lists = ofKind(first.calls, 'list');
	const [before, after] = [first.milliseconds, second.milliseconds].map(Math.round);
	console.log(`${COUNT} backups: ${bytes} bytes, ${lists} lists, ${before} ms, then ${after} ms`);
});
