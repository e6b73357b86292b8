import { env } from 'cloudflare:workers';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { begin, contentsOf, fill, finish, inSteps, ticketOf } from '../stepped-backups.ts';
import { reset } from '../reset.ts';
import { clock, createBackup, engine, keys } from '../backups.ts';
import { key, otherKey } from '../encodings.ts';
import { resumeBackup } from '../../src/lib/server/backup/index.ts';
import { printJob, readJob, TICKET_MS } from '../../src/lib/server/backup/make/job.ts';
import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import { LOCK_KEYS } from '../../src/lib/server/backup/storage/lock.ts';

beforeEach(reset);

describe('a ticket', () => {
	const refused = async (ticket: string, code: string, status: number) =>
		expect(resumeBackup(inSteps(), ticket)).rejects.toMatchObject({ code, status });

	test('is refused when it is forged or altered, and the job is unharmed', async () => {
		await fill();
		const ticket = await begin(1);
		const [header = '', payload = '', mac = ''] = ticket.split('.');
		const claims = JSON.parse(atob(payload)) as { name: string; step: number; exp: number };
		const encode = (value: object) => btoa(JSON.stringify(value)).replaceAll('=', '');
		const sign = (secret: Uint8Array, audience = 'lifeboat resume ticket') =>
			new SignJWT({ name: claims.name, step: claims.step })
				.setProtectedHeader({ alg: 'HS256' })
				.setAudience(audience)
				.setExpirationTime(claims.exp)
				.sign(secret);
		const unending = new SignJWT({ name: claims.name, step: claims.step })
			.setProtectedHeader({ alg: 'HS256' })
			.setAudience('lifeboat resume ticket');
		const forged = [
			'',
			'x',
			`${header}.${payload}.`,
			`${header}.${encode({ ...claims, step: claims.step + 1 })}.${mac}`,
			`${encode({ alg: 'none' })}.${payload}.`,
			`${encode({ alg: 'none' })}.${payload}.${mac}`,
			await sign(otherKey.ticket),
			await sign(key.mac),
			await sign(key.ticket, 'lifeboat backup job'),
			await unending.sign(key.ticket),
			`${ticket.slice(0, -3)}AAA`,
		];
		for (const text of forged) await refused(text, 'ticket_invalid', 403);
		// The contents of the bucket do not work as tickets either.
		const { state } = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		await refused(state as string, 'ticket_invalid', 403);
		expect(await finish(ticket)).toBeTruthy();
	});

	test('expires', async () => {
		await fill();
		const ticket = await begin(1);
		clock.now += TICKET_MS + 1_000;
		await refused(ticket, 'ticket_expired', 403);
		const { name } = await createBackup(engine());
		expect((await keys()).every((key) => key.startsWith(name))).toBe(true);
	});

	test('is valid only for its own job', async () => {
		await fill();
		const old = await begin(1);
		clock.now += TICKET_MS / 2;
		await env.MY_BUCKET.delete(LOCK_KEYS.backup);
		const ticket = await begin(1);
		await refused(old, 'ticket_spent', 409);
		expect(await finish(ticket)).toBeTruthy();
	});

	test('is valid for one step: older ones are spent', async () => {
		await fill();
		const first = await begin(0);
		const second = ticketOf(await resumeBackup(inSteps(), first));
		const third = ticketOf(await resumeBackup(inSteps(), second));
		await refused(first, 'ticket_spent', 409);
		expect(await finish(third)).toBeTruthy();
	});

	test('used twice at once is accepted once; the other call learns that the step is running', async () => {
		await fill();
		const whole = await contentsOf(await createBackup(engine()));
		let tickets = [await begin(0)];
		for (let round = 0; round < 5; round++) {
			const outcomes = await Promise.allSettled(
				Array.from({ length: 4 }, () => resumeBackup(inSteps(), tickets[0] ?? '')),
			);
			const good = outcomes.filter((outcome) => outcome.status === 'fulfilled');
			const bad = outcomes.filter((outcome) => outcome.status === 'rejected');
			expect(good).toHaveLength(1);
			for (const { reason } of bad) expect(reason).toMatchObject({ code: 'backup_running' });
			tickets = good.map(({ value }) => ticketOf(value));
		}
		expect(await contentsOf(await finish(tickets[0] ?? ''))).toEqual(whole);
	});

	test('gets the same answer again, in case the first one was lost', async () => {
		await fill();
		const ticket = await begin(1);
		const answer = await resumeBackup(inSteps(), ticket);
		expect(await resumeBackup(inSteps(), ticket)).toMatchObject({
			progress: 'progress' in answer && answer.progress,
		});
		let last = ticketOf(answer);
		let step = await resumeBackup(inSteps(), last);
		while ('resume' in step) {
			last = step.resume;
			step = await resumeBackup(inSteps(), last);
		}
		expect(await resumeBackup(inSteps(), last)).toEqual(step);
		await env.MY_BUCKET.delete(manifestKey(step.manifest.name));
		await refused(last, 'ticket_spent', 409);
	});

	test('does not open a job that somebody else wrote into the bucket', async () => {
		await fill();
		const ticket = await begin(1);
		const lock = JSON.parse((await (await env.MY_BUCKET.get(LOCK_KEYS.backup))?.text()) ?? '');
		const job = await readJob([key], lock.state as string, lock.name as string);
		const other = await printJob(otherKey, job);
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ ...lock, state: other }));
		await refused(ticket, 'ticket_invalid', 403);
	});
});
