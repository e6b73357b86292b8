import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { backUp, fail, journal, kinds, operations, refused } from '../../../../tests/watched.ts';
import { reset } from '../../../../tests/reset.ts';
import { run } from '../../../../tests/backups.ts';
import { shortenWaits } from '../../../../tests/fast-waits.ts';
import {
	BROKEN,
	breakReceiver,
	received,
	receivedAlerts,
	receiver,
} from '../../../../tests/receivers.ts';
import type { Proof } from '../backup/format/proof.ts';
import { SEND_MS } from './send.ts';
import { watchLockout, watchProof } from './watch.ts';

beforeEach(async () => {
	await reset();
	await run(
		env.DB,
		'DROP TABLE IF EXISTS t',
		'CREATE TABLE t (x)',
		`INSERT INTO t VALUES ('a row of s3cret')`,
	);
});

test('an audit log whose old entries are locked does not stop alerts', async () => {
	const watched = operations();
	const locked = new Proxy(env.MY_BUCKET, {
		get: (target, name: 'put') =>
			(name as string) === 'delete'
				? () => Promise.reject(new Error('locked'))
				: target[name].bind(target),
	});
	await env.MY_BUCKET.put(`journal/${9_999_999_999_999 - Date.UTC(2025)}-x`, 'old');
	await fail(watched);
	await received(watched.webhook);
	await backUp({ ...watched, auditLog: locked });
	expect(await kinds(watched.webhook)).toEqual(['backup_recovered']);
});

describe.for(BROKEN)('a receiver that %s', ([, answer]) => {
	test('does not fail a backup, and takes no longer than allowed', async () => {
		shortenWaits();
		const watched = operations({ ping: receiver('/ping') });
		await breakReceiver(watched.webhook, answer);
		await breakReceiver(watched.settings.ping ?? watched.webhook, answer);
		await fail(watched);
		const startedAt = performance.now();
		expect(await backUp(watched)).toHaveProperty('manifest');
		expect(performance.now() - startedAt).toBeLessThan(SEND_MS);
		const failed = (await journal()).filter(({ operation, outcome }) => {
			return outcome === 'failed' && /^(alert|ping)/.test(operation);
		});
		expect(failed.map(({ operation, code }) => `${operation}: ${code}`).sort()).toEqual([
			'alert backup_failed: alert_failed',
			'alert backup_overdue: alert_failed',
			'alert backup_recovered: alert_failed',
			...Array<string>(2).fill('ping: ping_failed'),
		]);
		expect(JSON.stringify(await journal())).not.toContain(watched.webhook.host);
		const elsewhere = await received(new URL('https://elsewhere.example'));
		expect(elsewhere).toEqual([]);
	});
});

test('an alert that was not accepted is sent again', async () => {
	const watched = operations();
	await breakReceiver(watched.webhook, { status: 404 });
	await fail(watched);
	await received(watched.webhook);
	await breakReceiver(watched.webhook, { status: 200 });
	await fail(watched);
	expect((await kinds(watched.webhook)).sort()).toEqual(['backup_failed', 'backup_overdue']);
	await breakReceiver(watched.webhook, { status: 404 });
	await backUp(watched);
	await received(watched.webhook);
	await breakReceiver(watched.webhook, { status: 200 });
	await backUp(watched);
	await backUp(watched);
	expect(await kinds(watched.webhook)).toEqual(['backup_recovered']);
});

test('an alert without a webhook is recorded in the audit log', async () => {
	await fail(operations({ webhook: null }));
	expect(await journal()).toContainEqual(
		expect.objectContaining({ operation: 'alert backup_failed', code: 'alert_nowhere' }),
	);
});

test('a failure is reported even if earlier alerts cannot be read', async () => {
	const watched = operations();
	const bucket = new Proxy(env.MY_BUCKET, { get: () => () => Promise.reject(new Error('away')) });
	await fail({ ...watched, bucket }, 'storage_error');
	expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
});

test('wrong codes that start a lockout send an alert', async () => {
	const watched = operations();
	await watchLockout(watched);
	expect(await kinds(watched.webhook)).toEqual(['access_locked']);
});

describe('a proof', () => {
	const proof = {
		proven: false,
		kind: 'drill',
		by: 'GitHub',
		differences: ['s3cret'],
		backup: 'b',
	};

	test('that finds differences sends an alert without them', async () => {
		const watched = operations();
		expect(await watchProof(watched, async () => proof as Proof)).toBe(proof);
		const [alert] = await receivedAlerts(watched.webhook);
		expect(alert).toMatchObject({ kind: 'drill_failed', backup: 'b', code: 'backup_differs' });
		expect(JSON.stringify(alert)).not.toContain('s3cret');
	});

	test.for([
		['manifest_forged', 422, 1],
		['storage_error', 500, 1],
		['backup_not_found', 404, 0],
		['drill_running', 409, 0],
	] as const)(
		'that ends with %s sends an alert only if it matters',
		async ([code, status, alerts]) => {
			const watched = operations();
			const outcome = watchProof(watched, () => Promise.reject(refused(code, status)));
			await expect(outcome).rejects.toMatchObject({ code });
			expect(await kinds(watched.webhook)).toEqual(Array(alerts).fill('drill_failed'));
		},
	);
});
