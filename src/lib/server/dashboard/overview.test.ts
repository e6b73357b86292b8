import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import { drillOf, HOUR, store } from '../../../../tests/retained.ts';
import { reset } from '../../../../tests/reset.ts';
import { visitTo } from '../../../../tests/visits.ts';
import { mount } from '../../mount.ts';
import { backupKeys } from '../backup/settings.ts';
import { storeProof } from '../backup/storage/bucket.ts';
import { prefixed } from '../backup/storage/prefixed.ts';
import { readAppHealth } from '../operations/app-health.ts';
import { operationsOf } from '../operations/index.ts';
import { overview } from './overview.ts';

// An app with five databases, of which one page reads three.

const NAMES = ['main', 'stats', 'logs', 'shop', 'mail'] as const;
const bindings = Object.fromEntries(NAMES.map((name, index) => [name, index % 2 ? 'COPY' : 'DB']));
const { environment } = mount({ databases: bindings });
const now = Date.now();

/** The app, in which the bucket cannot be read where a key begins with one of these. */
function appWith(unreadable: string[] = [], settings: object = {}) {
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, method: keyof R2Bucket) {
			return async (first: string | R2ListOptions, ...rest: unknown[]) => {
				const key = typeof first === 'string' ? first : (first.prefix ?? '');
				if (unreadable.some((start) => key.startsWith(start))) throw new Error('R2 is away.');
				const call = target[method] as (...all: unknown[]) => unknown;
				return call.call(target, first, ...rest);
			};
		},
	});
	const { DB, COPY } = env;
	return { ...{ DB, COPY, MY_BUCKET: bucket, TOTP_SECRET: SECRET }, ...settings };
}

async function show(app: object) {
	const { visit } = visitTo('/backups', environment(app), now);
	return overview(visit);
}

/** Remembers looks at all databases, as the health does. */
async function lookAtAll(app: object): Promise<void> {
	for (let looks = 0; looks < 2; looks++) {
		const operations = operationsOf(environment({ ...app }), { origin: 'https://app.example' });
		const of = (name: string) =>
			operationsOf(environment(app, name), { origin: 'https://app.example' });
		// Each look at a bucket of its own, so that no answer is used again.
		const appBucket = new Proxy(operations.appBucket, {});
		await readAppHealth({ operations: { ...operations, appBucket }, databases: NAMES, of });
	}
}

/** A backup of a database from an hour ago. */
async function storeIn(name: string, { drilled = true } = {}): Promise<string> {
	const given = environment(appWith(), name);
	const bucket = prefixed(env.MY_BUCKET, name === 'main' ? '' : `${name}/`);
	const [signer = null] = backupKeys(given);
	const backup = await store(now - 2 * HOUR, { bucket, signer, drilled: null, database: name });
	const context = { bucket, sleep: async () => {}, signer };
	if (drilled) await storeProof(context, drillOf(backup, now - HOUR));
	return backup;
}

const states = ({ databases }: Awaited<ReturnType<typeof overview>>) =>
	databases.map(({ name, verdict }) => [name, verdict.state]);

beforeEach(reset);

describe('an app with several databases', () => {
	test('at which nobody has looked shows those that it reads, the worst first', async () => {
		await storeIn('main');
		await storeIn('stats', { drilled: false });
		await storeIn('mail');
		const all = await show(appWith());
		expect(states(all)).toEqual([
			['logs', 'never'],
			['stats', 'unproven'],
			['shop', 'unproven'],
			['mail', 'unproven'],
			['main', 'proven'],
		]);
		const counts = all.databases.map(({ backups, bytes }) => [backups, bytes]);
		expect(counts).toEqual([
			[0, 0],
			[1, 2],
			[null, null],
			[null, null],
			[1, 2],
		]);
		expect(all.databases[3]?.verdict.sentence).toBe('Not checked yet.');
		expect(all.verdict).toMatchObject({ state: 'never', tone: 'bad' });
		expect(all.verdict.sentence).toMatch(/^4 of 5 databases need attention\. logs: No backup yet/);
	});

	test('shows as remembered what it does not read', async () => {
		for (const name of NAMES) if (name !== 'mail') await storeIn(name);
		await lookAtAll(appWith());
		await storeIn('mail');
		const all = await show(appWith());
		expect(new Set(states(all).map(([, state]) => state))).toEqual(new Set(['proven']));
		expect(all.verdict.sentence).toBe('All 5 databases are proven.');
		expect(all.databases.filter(({ backups }) => backups === null)).toHaveLength(2);
		expect(all.databases.map(({ newest }) => newest)).toEqual(
			NAMES.map(() => new Date(now - 2 * HOUR).toISOString()),
		);
	});

	test('shows why one cannot be read, and the others all the same', async () => {
		await storeIn('main');
		await storeIn('logs');
		const all = await show(appWith(['stats/']));
		const stats = all.databases.find(({ name }) => name === 'stats');
		expect(stats).toMatchObject({ verdict: { state: 'failing', tone: 'bad' }, backups: null });
		expect(stats?.verdict.sentence).toContain('bucket');
		expect(stats?.verdict.advice).not.toBeNull();
		expect(states(all)).toContainEqual(['main', 'proven']);
		expect(states(all)).toContainEqual(['logs', 'proven']);
		expect(all.verdict).toMatchObject({ tone: 'bad' });
	});

	test('says once that alerts are sent nowhere', async () => {
		const nowhere = ['Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.'];
		expect((await show(appWith())).verdict.also).toEqual(nowhere);
		const settings = { ALERT_WEBHOOK_URL: 'https://alerts.example' };
		expect((await show(appWith([], settings))).verdict.also).toEqual([]);
	});
});
