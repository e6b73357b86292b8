import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import { countedBindings } from '../../../../tests/counted-bindings.ts';
import { reset } from '../../../../tests/reset.ts';
import { drillOf, engineAt, HOUR, store } from '../../../../tests/retained.ts';
import { ourTables } from '../../../../tests/staged.ts';
import { visitTo } from '../../../../tests/visits.ts';
import { d1 } from '../backup/database.ts';
import { makeStage } from '../backup/dump/stage/make.ts';
import { manifestKey } from '../backup/format/names.ts';
import { backupKeys } from '../backup/settings.ts';
import { stageOwner } from '../backup/stage-tables.ts';
import { storeProof } from '../backup/storage/bucket.ts';
import { readHealth } from '../operations/health.ts';
import { operationsOf } from '../operations/index.ts';
import { backupPage } from './detail.ts';
import { statusPage } from './status.ts';

// What the first page says of troubles that are elsewhere than in the newest backup.

const NOW = Date.now();
const [signer = null] = backupKeys({ TOTP_SECRET: SECRET });
const engine = engineAt(NOW, { keys: signer ? [signer] : [], signer });

let parent = '';
let child = '';

beforeEach(async () => {
	await reset();
	parent = await store(NOW - 5 * HOUR, { signer });
	child = await store(NOW - 3 * HOUR, { signer, parent });
});

const load = () => statusPage(visitTo().visit);

test('a left stage and a missing webhook are in the verdict as in the health', async () => {
	const { verdict } = await load();
	expect(verdict).toMatchObject({ state: 'proven', tone: 'good' });
	const owner = stageOwner('full_backup_2026-11-21T00:00:00.000Z', 1);
	const room = () => Number.POSITIVE_INFINITY;
	await makeStage(d1(env.DB), { owner, room, sleep: async () => {}, now: Date.now });
	const { verdict: after } = await load();
	expect(after).toMatchObject({ state: 'proven', tone: 'notice' });
	const left = expect.stringMatching(
		/ left tables in the database\. The next backup drops them\.$/,
	);
	expect(after?.also).toEqual([left, ...(verdict?.also ?? [])]);
	expect(await ourTables()).toHaveLength(2);
	const { url, env: own } = visitTo(
		'/',
		countedBindings({ MY_BUCKET: env.MY_BUCKET }).bindings,
	).visit;
	const { warnings } = await readHealth(operationsOf(own, url)); // of a bucket with no answer yet
	expect(warnings).toHaveLength(2);
	expect(verdict?.also).toEqual(warnings.slice(0, 1));
});

test.for([
	['was found to be damaged', () => storeProof(engine, drillOf(parent, NOW, false))],
	['is missing', () => env.MY_BUCKET.delete(manifestKey(parent))],
] as const)('a backup whose parent %s says so', async ([what, damage]) => {
	expect((await load()).shown?.backups.map(({ problem }) => problem)).toEqual([null, null]);
	await damage();
	const problem = `The full backup ${parent}, on which it rests, ${what}.`;
	expect((await load()).shown?.backups[0]).toMatchObject({ name: child, problem });
	expect((await backupPage(visitTo().visit, child)).backup.problem).toBe(problem);
});
