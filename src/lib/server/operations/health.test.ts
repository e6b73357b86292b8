import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { createBackup, engine } from '../../../../tests/backups.ts';
import { key } from '../../../../tests/encodings.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { plantManifest } from '../../../../tests/plant.ts';
import { call, SECRET } from '../../../../tests/calls.ts';
import { receivedAlerts, receiver } from '../../../../tests/receivers.ts';
import { GET } from '../http/routes/health.ts';
import { startBackup } from '../backup/index.ts';
import { readPolicy } from '../backup/keep/policy.ts';
import { drillBackup, recordProof, verifyBackup } from '../backup/prove/prove.ts';
import { backupKeys } from '../backup/settings.ts';
import { readHealth } from './health.ts';
import type { Operations } from './index.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 20);
let now = START;

beforeEach(async () => {
	await reset();
	now = START;
});

/** Operations with a new bucket object, whose health is not cached yet. */
function operations(): Operations & { webhook: URL; calls: string[] } {
	const webhook = receiver();
	const calls: string[] = [];
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, name: 'list') {
			calls.push(name);
			return target[name].bind(target);
		},
	});
	return { ...operationsOn(() => now, { webhook }), webhook, calls, bucket };
}

async function backUp(): Promise<string> {
	const step = await startBackup(engine({ now: () => now++ }));
	return 'manifest' in step ? step.manifest.name : '';
}

async function prove(name: string, kind: 'verify' | 'drill', proven = true): Promise<void> {
	const at = new Date(now).toISOString();
	await recordProof(engine({ now: () => now }), `${name}.manifest.json`, {
		...{ kind, by: 'a test', startedAt: at, finishedAt: at, proven, scope: 'contents' },
		...{ tables: 0, rows: 0, bytes: 1, differences: proven ? [] : ['x'] },
	});
	now++;
}

describe('the health', () => {
	test('without any backup is bad', async () => {
		expect(await readHealth(operations())).toEqual({
			...{ healthy: false, maxAgeHours: 24 },
			ages: { backup: null, verification: null, drill: null, provenBackup: null },
			...{ waitedMs: null, retention: { isSet: false, removable: 0 }, warnings: [] },
		});
	});

	test('reports ages in hours', async () => {
		await prove(await backUp(), 'drill');
		now = START + 3 * HOUR;
		await prove(await backUp(), 'verify');
		now = START + 5.2 * HOUR;
		await backUp();
		now = START + 6 * HOUR;
		expect(await readHealth(operations())).toEqual({
			...{ healthy: true, maxAgeHours: 24 },
			ages: { backup: 0.8, verification: 3, drill: 6, provenBackup: 3 },
			...{ waitedMs: null, retention: { isSet: false, removable: 0 }, warnings: [] },
		});
	});

	test('needs a backup that is proven and was not found damaged', async () => {
		const name = await backUp();
		expect(await readHealth(operations())).toMatchObject({ healthy: false, ages: { backup: 0 } });
		await prove(name, 'verify');
		expect(await readHealth(operations())).toMatchObject({ healthy: true });
		await prove(name, 'drill', false);
		expect(await readHealth(operations())).toMatchObject({ healthy: false });
		await prove(name, 'drill');
		expect(await readHealth(operations())).toMatchObject({ healthy: true });
	});

	test('is bad once the backup or its proof is too old', async () => {
		await prove(await backUp(), 'drill');
		now = START + 23 * HOUR;
		expect(await readHealth(operations())).toMatchObject({ healthy: true });
		now = START + 25 * HOUR;
		expect(await readHealth(operations())).toMatchObject({ healthy: false });
		await backUp();
		expect(await readHealth(operations())).toMatchObject({ healthy: false, ages: { backup: 0 } });
	});

	test('counts what retention removes, or would remove with the usual policy', async () => {
		for (let hour = 0; hour < 5; hour++) {
			now = START + hour * HOUR;
			await prove(await backUp(), 'verify');
		}
		expect(await readHealth(operations())).toMatchObject({
			retention: { isSet: false, removable: 1 }, // the newest, three proven, and the oldest stay
		});
		const policy = () => readPolicy({ BACKUP_KEEP_LAST: '1' });
		expect(await readHealth({ ...operations(), policy })).toMatchObject({
			retention: { isSet: true, removable: 2 },
		});
	});

	describe('although somebody without the secret has planted', () => {
		const signing = () => ({ ...operations(), keys: () => [key] });
		const signer = () => engine({ keys: [key], now: () => now++ });

		test('a proof', async () => {
			const { name } = await createBackup(signer());
			const at = new Date(now).toISOString();
			const { bucket } = operations();
			const unsigned = engine({ bucket, now: () => now });
			await recordProof(unsigned, `${name}.manifest.json`, {
				...{ kind: 'drill', by: 'x', startedAt: at, finishedAt: at, proven: true },
				...{ scope: 'contents', tables: 0, rows: 0, bytes: 1, differences: [] },
			});
			expect(await readHealth(signing())).toMatchObject({
				healthy: false,
				ages: { backup: 0, drill: null, provenBackup: null },
			});
			await drillBackup(signer(), env.DRILL_DB, `${name}.sql`);
			expect(await readHealth(signing())).toMatchObject({ healthy: true, ages: { drill: 0 } });
		});

		test('a newer backup, which a warning names', async () => {
			const manifest = await createBackup(signer());
			now = START + 5 * HOUR;
			await drillBackup(signer(), env.DRILL_DB, `${manifest.name}.sql`);
			await plantManifest(manifest, now);
			expect(await readHealth(signing())).toMatchObject({
				...{ healthy: true, ages: { backup: 5 } },
				warnings: [expect.stringContaining('was not signed')],
			});
			now = START + 25 * HOUR;
			await plantManifest(manifest, now);
			expect(await readHealth(signing())).toMatchObject({ healthy: false, ages: { backup: 25 } });
		});

		test('a backup and a proof of the year 2099, even with the signature of the app', async () => {
			const far = Date.UTC(2099, 0);
			const late = engine({ keys: [key], now: () => far });
			const { name } = await createBackup(late);
			await drillBackup(late, env.DRILL_DB, `${name}.sql`);
			expect(await readHealth(signing())).toMatchObject({
				healthy: false,
				ages: { backup: null, drill: null, provenBackup: null },
			});
		});
	});

	test('is checked once a minute, however many calls come', async () => {
		await backUp();
		const asked = operations();
		await Promise.all(Array.from({ length: 100 }, () => readHealth(asked)));
		const once = asked.calls.length;
		expect(once).toBeLessThan(7);
		now += 59_000;
		await readHealth(asked);
		expect(asked.calls).toHaveLength(once);
		now += 2000;
		await readHealth(asked);
		expect(asked.calls.length).toBeGreaterThan(once);
	});

	test('sends a single alert that backups are overdue', async () => {
		await backUp();
		now = START + 25.5 * HOUR;
		const asked = operations();
		for (let i = 0; i < 3; i++) {
			await readHealth(asked);
			now += 2 * HOUR;
		}
		const alerts = await receivedAlerts(asked.webhook);
		expect(alerts.map(({ kind }) => kind)).toEqual(['backup_overdue']);
		expect(alerts[0]?.text).toContain('25 hours ago');
	});
});

describe('GET /api/backup/health', () => {
	/** A new bucket object, whose health is not cached yet. */
	const anew = () =>
		new Proxy(env.MY_BUCKET, { get: (target, name: 'list') => target[name].bind(target) });

	const ask = async (changes = {}) => {
		const response = await call(GET, new Request('https://app.example/api/backup/health'), changes);
		return [response.status, await response.json()] as const;
	};

	test('needs no code, answers 503 if unhealthy, and reveals no name', async () => {
		const [status, health] = await ask();
		expect([status, Object.keys(health as object)]).toEqual([
			503,
			['healthy', 'maxAgeHours', 'ages', 'waitedMs', 'retention', 'warnings'],
		]);
		expect((await env.MY_BUCKET.list({ prefix: 'journal/' })).objects.length).toBeLessThan(2);
	});

	test('warns that alerts are sent nowhere, until there is a webhook', async () => {
		const fresh = (changes = {}) => ask({ ...changes, MY_BUCKET: anew() });
		const warnings = [expect.stringContaining('ALERT_WEBHOOK_URL')];
		expect((await fresh())[1]).toMatchObject({ warnings });
		const ALERT_WEBHOOK_URL = receiver().href;
		expect((await fresh({ ALERT_WEBHOOK_URL }))[1]).toMatchObject({ warnings: [] });
	});

	test('answers 200 if all is well', async () => {
		const keys = backupKeys({ TOTP_SECRET: SECRET });
		const { name } = await createBackup(engine({ keys, now: Date.now }));
		await verifyBackup(engine({ keys, now: Date.now }), `${name}.sql`);
		const [status, health] = await ask({ MY_BUCKET: anew() });
		expect([status, health]).toMatchObject([200, { healthy: true }]);
		expect(JSON.stringify(health)).not.toContain('full_backup');
	});

	test('explains an invalid setting', async () => {
		const [status, error] = await ask({ BACKUP_MAX_AGE_HOURS: 'x' });
		expect([status, error]).toMatchObject([500, { code: 'backup_max_age_hours_invalid' }]);
	});
});
