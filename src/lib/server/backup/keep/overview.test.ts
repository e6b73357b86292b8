import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { createBackup, engine } from '../../../../../tests/backups.ts';
import { key } from '../../../../../tests/encodings.ts';
import { rulesOf } from '../../../../../tests/histories.ts';
import { plantManifest, unsigned } from '../../../../../tests/plant.ts';
import { reset } from '../../../../../tests/reset.ts';
import type { Engine } from '../engine.ts';
import type { Manifest } from '../format/manifest.ts';
import { verifyBackup } from '../prove/prove.ts';
import { changeMarks } from './marks.ts';
import { readOverview } from './overview.ts';
import { pin } from './pins.ts';
import { type Policy, SEED_POLICY } from './policy.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-11-10T03:00:00.000Z');
const NONE: Policy = { ...SEED_POLICY, rules: null };
const LAST_TWO: Policy = { ...SEED_POLICY, rules: rulesOf({ last: 2 }) };

let now = START;
const signer = (): Engine => engine({ keys: [key], now: () => now });
let manifests: Manifest[] = [];

/** Five backups, a day apart, of which the newest is proven. */
beforeEach(async () => {
	await reset();
	await env.DB.exec('CREATE TABLE t (x)');
	manifests = [];
	for (let day = 0; day < 5; day++) {
		now = START + day * DAY;
		manifests.unshift(await createBackup(signer()));
	}
	await verifyBackup(signer(), `${manifests[0]?.name}.manifest.json`);
	now += 3_600_000;
});

const read = (policy: Policy, most = 5) =>
	readOverview(signer(), { policy, maxAgeMs: 2 * DAY }, { most });

async function kept(policy: Policy): Promise<[boolean, string][]> {
	const { backups } = await read(policy);
	return backups.map(({ keep, reasons }) => [keep, reasons.map(({ code }) => code).join(' ')]);
}

test('with a policy, each backup says whether it stays, and why', async () => {
	expect(await kept(LAST_TWO)).toEqual([
		[true, 'last newest proven'],
		[true, 'last'],
		[false, 'no_rule'],
		[false, 'no_rule'],
		[false, 'no_rule'],
	]);
	const { backups, retention } = await read(LAST_TWO);
	expect(backups.map(({ name }) => name)).toEqual(manifests.map(({ name }) => name));
	expect(backups[0]).toMatchObject({ signed: true, verified: { proven: true }, tables: 1 });
	expect(backups[0]).toMatchObject({ pin: null, mark: null });
	expect(backups[0]).not.toHaveProperty('suggested');
	expect(retention).toEqual({ policy: { last: 2 }, removable: 3, blocked: null });
});

test('without a policy all stay, and each says what the usual one would do', async () => {
	const { backups, retention } = await read(NONE);
	expect(backups.map(({ keep, reasons }) => [keep, reasons[0]?.code])).toEqual(
		manifests.map(() => [true, 'no_policy']),
	);
	expect(backups[4]?.suggested).toEqual({
		keep: true,
		reasons: [
			{ code: 'daily', text: 'daily 5 of 7 (2026-11-10)' },
			{ code: 'oldest', text: 'oldest, weekly 2 of 4 (2026-W46)' },
			{ code: 'oldest', text: 'oldest, monthly 2 of 12 (2026-11)' },
		],
	});
	const NO_POLICY = { code: 'no_policy', text: 'no policy is set' };
	expect(retention).toEqual({
		...{ policy: null, removable: 0, blocked: NO_POLICY },
		suggested: { policy: { daily: 7, weekly: 4, monthly: 12 }, removable: 0, blocked: null },
	});
});

test('shows pins and marks', async () => {
	const [, , third, fourth, fifth] = manifests.map(({ name }) => name);
	await pin(signer(), third ?? '', 'before the move');
	await changeMarks(signer(), () => ({
		[fourth ?? '']: { at: now, by: 'rule' },
		[fifth ?? '']: { at: now, by: 'request' },
	}));
	const { backups, retention } = await read(LAST_TWO);
	expect(backups[2]).toMatchObject({ keep: true, pin: { note: 'before the move' } });
	const removableAt = new Date(now + 7 * DAY).toISOString();
	expect(backups[3]).toMatchObject({ keep: false, mark: { by: 'rule', removableAt } });
	expect(backups[4]).toMatchObject({ keep: false, reasons: [{ code: 'requested' }] });
	expect(retention.removable).toBe(2);
});

test('while it is not known what is pinned, all stay', async () => {
	await env.MY_BUCKET.put('keep/pins.json', '{"at":1,"value":{},"mac":"forged"}');
	const { backups, retention } = await read(LAST_TWO);
	const code = 'pins_forged';
	expect(backups.every(({ keep }) => keep)).toBe(true);
	expect(backups[4]?.reasons).toEqual([{ code, text: 'which ones are pinned is not known' }]);
	expect(retention).toMatchObject({ removable: 0, blocked: { code } });
});

test('leaves out what is from the future, which stops retention if it is signed', async () => {
	const [newest] = manifests;
	if (!newest) return;
	await plantManifest(unsigned(newest), now + DAY);
	expect((await read(LAST_TWO)).retention).toMatchObject({ removable: 3, blocked: null });
	now -= DAY;
	const { backups, retention } = await read(LAST_TWO);
	expect(backups.map(({ name }) => name)).toEqual(manifests.slice(1).map(({ name }) => name));
	expect(retention).toMatchObject({ removable: 0, blocked: { code: 'clock_behind' } });
});

test('reads so many manifests whose summaries are not signed, and leaves others alone', async () => {
	for (const { name } of manifests.slice(2)) {
		const object = await env.MY_BUCKET.get(`${name}.manifest.json`);
		const { mac, ...summary } = JSON.parse(object?.customMetadata?.['summary'] ?? '') as {
			mac: string;
		};
		expect(mac).toMatch(/^[\da-f]{64}$/);
		const customMetadata = { summary: JSON.stringify(summary) };
		await env.MY_BUCKET.put(`${name}.manifest.json`, (await object?.text()) ?? '', {
			customMetadata,
		});
	}
	const { backups } = await read(LAST_TWO, 1);
	expect(backups.map(({ signed }) => signed)).toEqual([true, true, true, null, null]);
	expect(backups.map(({ keep }) => keep)).toEqual([true, true, false, true, true]);
	expect(backups[4]?.reasons.map(({ code }) => code)).toEqual(['untrusted']);
});
