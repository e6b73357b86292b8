import { beforeEach, describe, expect, test } from 'vitest';
import { expectError } from '../../../../../tests/calls.ts';
import { receivedAlerts, receiver } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import { DAY, filesOf, objectsOf, store } from '../../../../../tests/retained.ts';
import {
	age,
	decide,
	KEEP_FOUR,
	log,
	prune,
	pruned,
	remove,
	signer,
	storeRecent,
} from '../../../../../tests/retention-calls.ts';
import type { PlannedBackup } from '../../backup/keep/outlook.ts';
import { GRACE_MS } from '../../backup/keep/marks.ts';

beforeEach(reset);

describe('a person', () => {
	test('pins a backup with a note, and takes that back', async () => {
		const names = await storeRecent(6);
		const name = names[5] ?? '';
		const pin = await decide(name, { action: 'pin', note: 'before 2.0 🚀' });
		expect(await pin.json()).toEqual({
			...{ success: true, backup: name },
			pin: { at: expect.stringMatching(/Z$/), note: 'before 2.0 🚀' },
		});
		const last = async () => (await pruned(await prune())).backups.at(-1);
		expect(await last()).toMatchObject({ action: 'keep', reasons: [{ code: 'pinned' }] });
		const unpin = await decide(name, { action: 'unpin' });
		expect(await unpin.json()).toEqual({ success: true, backup: name, pin: null });
		expect(await last()).toMatchObject({ action: 'mark', pin: null });
		expect((await log()).map(({ operation, backup }) => [operation, backup])).toContainEqual([
			'pin',
			name,
		]);
	});

	test.for([
		'x'.repeat(201),
		'two\nlines',
		'a tab\t',
		'turned \u202e round',
		'isolated \u2066',
		'a mark \u200f',
		'half \ud83d',
		7,
	])('cannot pin with the note %j', async (note) => {
		const [name = ''] = await storeRecent(1);
		await expectError(await decide(name, { action: 'pin', note }), 400, 'body_invalid');
	});

	test('withdraws a mark', async () => {
		const names = await storeRecent(5);
		await prune({ dryRun: false });
		const unmark = await decide(names[4] ?? '', { action: 'unmark' });
		expect(await unmark.json()).toEqual({ success: true, backup: names[4], mark: null });
		expect((await pruned(await prune())).backups[4]).toMatchObject({ action: 'mark', mark: null });
	});

	test('asks for the removal of one backup, without a policy too', async () => {
		const names = await storeRecent(6);
		const response = await remove(names[4] ?? '', {});
		expect(response.status).toBe(202);
		const { mark } = (await response.json()) as { mark: NonNullable<PlannedBackup['mark']> };
		expect(mark).toMatchObject({ by: 'request', locked: false, removing: false });
		expect(Date.parse(mark.removableAt) - Date.parse(mark.at)).toBe(GRACE_MS);
		expect((await pruned(await prune({ dryRun: false }, {}))).removed).toEqual([]);
		await age();
		expect((await pruned(await prune({ dryRun: false }, {}))).removed).toEqual([names[4]]);
		expect(await filesOf(names[4] ?? '')).toEqual([]);
		expect(await filesOf(names[5] ?? '')).toHaveLength(3);
		const operations = (await log()).map(({ operation }) => operation).toReversed();
		expect(operations.slice(0, 3)).toEqual(['mark', 'alert backups_marked', 'delete']);
	});

	test('sees an alert that names who asked for a removal, once', async () => {
		const names = await storeRecent(5);
		const webhook = receiver();
		const changes = { ...KEEP_FOUR, ALERT_WEBHOOK_URL: webhook.href };
		for (let count = 0; count < 2; count++)
			expect((await remove(names[4] ?? '', changes)).status).toBe(202);
		const alerts = await receivedAlerts(webhook);
		expect(alerts).toMatchObject([{ kind: 'backups_marked', backup: names[4] }]);
		expect(alerts[0]?.['text']).toContain('192.0.2.1');
	});

	test('cannot have removed what others rest on, or what has to stay', async () => {
		const names = await storeRecent(6);
		const child = await store(Date.now() - 5 * DAY, { parent: names[5] ?? '', signer });
		const needed = await expectError(await remove(names[5] ?? ''), 409, 'backup_needed');
		expect(needed).toContain(child);
		const kept = await expectError(await remove(names[0] ?? ''), 409, 'backup_kept');
		expect(kept).toContain('the newest');
		await decide(names[3] ?? '', { action: 'pin' });
		expect(await expectError(await remove(names[3] ?? ''), 409, 'backup_kept')).toContain('pinned');
		expect((await objectsOf()).filter((key) => key === 'keep/marks.json')).toEqual([]);
	});

	test('decides nothing about what is not there, or not the app’s own', async () => {
		const missing = 'full_backup_2020-01-01T00:00:00.000Z';
		const forged = await store(Date.now() - DAY, { signer: null });
		for (const [name, status, code] of [
			[missing, 404, 'backup_not_found'],
			[forged, 422, 'manifest_unsigned'],
		] as const) {
			await expectError(await remove(name), status, code);
			await expectError(await decide(name, { action: 'pin' }), status, code);
		}
		await expectError(await decide('photo', { action: 'unmark' }), 404, 'backup_not_found');
	});
});
