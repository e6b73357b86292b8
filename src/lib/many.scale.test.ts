import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';
import { SECRET } from '../../tests/calls.ts';
import { LONG } from '../../tests/counts.ts';
import { countedBindings } from '../../tests/counted-bindings.ts';
import { reset } from '../../tests/reset.ts';
import { lifeboat } from './index.ts';
import { TOTP } from './totp.js';

// An app with hundreds of databases. What counts is their names: two real ones stand behind all of them.

const ORIGIN = 'https://other.example';
/** More than one call of the paid plan can back up, or one of the free plan can look at. */
const MANY = LONG ? 500 : 200;
const NAMES = Array.from({ length: MANY }, (_, index) => `tenant_${index}`);
/** Calls of D1, R2 and other servers in one invocation on the free plan (Workers > Limits). */
const MAX_CALLS = 50;

const uses = countedBindings({ MY_BUCKET: env.MY_BUCKET, ONE: env.DB, TWO: env.COPY });
const databases = Object.fromEntries(
	NAMES.map((name, index) => [name, index % 2 ? 'ONE' : 'TWO'] as const),
);
const app = lifeboat({ databases, hosts: [ORIGIN] });

beforeAll(async () => {
	await reset();
	for (const database of [env.DB, env.COPY]) {
		await database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
	}
});

/** What the app answers, and the calls that it has made for that. */
async function ask(path: string, plan: string, body?: object) {
	const headers = new Headers(body ? { 'Content-Type': 'application/json' } : {});
	headers.set(
		'Authorization',
		`Bearer ${await new TOTP(SECRET).generateLongCode(Date.now() / 1000)}`,
	);
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
	const url = new URL(`/api/backup${path}`, ORIGIN);
	const init = body ? { method: 'POST', body: JSON.stringify(body) } : {};
	const request = new Request(url, { ...init, headers });
	const bindings = { ...uses.bindings, TOTP_SECRET: SECRET, BACKUP_PLAN: plan };
	const event = { request, url, platform: { env: bindings }, getClientAddress: () => '192.0.2.1' };
	uses.reset();
	const response = await app.handle({ event, resolve: () => new Response(null) });
	const answer = (await response.json()) as {
		resume?: string;
		done: { database: string }[];
		databases: { done: number };
		unchecked?: number;
		healthy?: boolean;
		code?: string;
	};
	return { status: response.status, answer, calls: uses.calls() };
}

/** Backs up all databases. Returns the calls of each step, and the names in their order. */
async function backUpAll(plan: string, when: string) {
	const steps: number[] = [];
	const names: string[] = [];
	let body: object = { action: 'backup', when };
	for (;;) {
		const { status, answer, calls } = await ask('?database=*', plan, body);
		steps.push(calls);
		names.push(...answer.done.map(({ database }) => database));
		if (answer.resume === undefined) return { status, steps, names };
		body = { action: 'resume', ticket: answer.resume };
	}
}

describe(`an app with ${MANY} databases`, () => {
	test('lists the backups of one, and all names, within the limits of a call', async () => {
		const { status, answer, calls } = await ask(`?database=tenant_${MANY - 1}`, 'free');
		expect([status, Object.keys(answer.databases).length]).toEqual([200, MANY]);
		expect(calls).toBeLessThanOrEqual(MAX_CALLS);
	});

	test(
		'backs up all within the limits of each call of the paid plan',
		{ timeout: 600_000 },
		async () => {
			const since = performance.now();
			const { status, steps, names } = await backUpAll('paid', 'always');
			const seconds = ((performance.now() - since) / 1000).toFixed(1);
			console.log(
				`paid: ${steps.length} calls, ${Math.max(...steps)} at most in one, ${seconds} s`,
			);
			expect([status, names]).toEqual([201, NAMES]);
			expect(Math.max(...steps)).toBeLessThanOrEqual(1000);
		},
	);

	test('finds that none is due within the limits of each call', { timeout: 600_000 }, async () => {
		for (const plan of ['free', 'paid']) {
			const since = performance.now();
			const { status, steps, names } = await backUpAll(plan, 'due');
			const seconds = ((performance.now() - since) / 1000).toFixed(1);
			console.log(
				`none due, ${plan}: ${steps.length} calls, ${Math.max(...steps)} at most, ${seconds} s`,
			);
			expect([status, names]).toEqual([201, NAMES]);
			expect(Math.max(...steps)).toBeLessThanOrEqual(plan === 'free' ? MAX_CALLS : 1000);
		}
	});

	test('knows the newest backups of all for the health, and looks at four a call', async () => {
		const { status, answer, calls } = await ask('/health', 'free');
		expect([status, answer.healthy, answer.unchecked]).toEqual([503, false, MANY - 4]);
		expect(calls).toBeLessThanOrEqual(MAX_CALLS);
		const known = Object.values(answer.databases) as unknown as { ages: { backup: number } }[];
		expect(known).toHaveLength(MANY);
		expect(known.every(({ ages }) => ages.backup < 1)).toBe(true);
	});
});

describe('ten databases on the free plan', () => {
	test('stay within 50 calls of each invocation', { timeout: 300_000 }, async () => {
		const few = lifeboat({
			databases: Object.fromEntries(Object.entries(databases).slice(0, 10)),
			hosts: [ORIGIN],
		});
		const handle = app.handle;
		app.handle = few.handle;
		try {
			const { status, steps, names } = await backUpAll('free', 'always');
			console.log(
				`free: ${names.length} databases, ${steps.length} calls, ${Math.max(...steps)} at most`,
			);
			expect([status, names.length]).toEqual([201, 10]);
			expect(Math.max(...steps)).toBeLessThanOrEqual(MAX_CALLS);
		} finally {
			app.handle = handle;
		}
	});
});
