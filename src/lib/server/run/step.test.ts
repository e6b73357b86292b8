import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import { reset } from '../../../../tests/reset.ts';
import { mount } from '../../mount.ts';
import type { RunContext } from './call.ts';
import { runContext } from './context.ts';
import { newRun, type RunState, RunStateSchema } from './state.ts';
import { takeRunStep } from './step.ts';
import * as v from 'valibot';

// A run without HTTP, as a schedule of Workers drives it.

const ORIGIN = new URL('https://other.example');
const NAMES = ['a', 'b', 'c'];

beforeEach(async () => {
	await reset();
	await env.DB.exec('CREATE TABLE t (x)');
});

function context(changes: object = {}): RunContext {
	const databases = Object.fromEntries(NAMES.map((name) => [name, 'DB']));
	const bindings = { TOTP_SECRET: SECRET, BACKUP_PLAN: 'paid', ...env, ...changes };
	const mounted = mount({ databases, hosts: [ORIGIN.origin] });
	const caller = { kind: 'app', address: '' } as const;
	return runContext(mounted.environment(bindings), ORIGIN, caller);
}

const begin = () => newRun(NAMES, { when: 'always', now: Date.now() });

/** How many backups each database has. */
async function counts(): Promise<number[]> {
	const keys = (await env.MY_BUCKET.list()).objects.map(({ key }) => key);
	return ['', 'b/', 'c/'].map(
		(prefix) =>
			keys.filter((key) => key.startsWith(`${prefix}full_`) && key.endsWith('.manifest.json'))
				.length,
	);
}

/** A state as somebody stored it. */
const stored = (state: RunState | null): RunState =>
	v.parse(RunStateSchema, JSON.parse(JSON.stringify(state)));

describe('a step of a run', () => {
	test('returns what comes next, as JSON, until all is done', async () => {
		const free = context({ BACKUP_PLAN: 'free' });
		let step = await takeRunStep(free, begin());
		const retries = [step.retryAfter];
		for (let calls = 1; calls < 3; calls++) {
			step = await takeRunStep(free, stored(step.state));
			retries.push(step.retryAfter);
		}
		expect(step).toMatchObject({ state: null, failed: [], databases: { done: 3, total: 3 } });
		expect(retries).toEqual([720, 720, undefined]);
		expect(await counts()).toEqual([1, 1, 1]);
	});

	test('ends when nobody listens any more, and blames no database', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		const log = vi.spyOn(console, 'log');
		const state = begin();
		const report = ({ database, event }: { database: string; event: string }) => {
			if (database === 'b' && event === 'database') throw new Error('The caller has disconnected.');
		};
		await expect(takeRunStep(context(), state, report)).rejects.toThrow('disconnected');
		expect(await counts()).toEqual([1, 1, 0]);
		const lines = log.mock.calls.flat().filter((line) => String(line).includes('"backup"'));
		expect(lines.map((line) => (JSON.parse(String(line)) as { outcome: string }).outcome)).toEqual([
			'done',
			'done',
		]);
		vi.restoreAllMocks();
		expect(await takeRunStep(context(), state)).toMatchObject({
			state: null,
			databases: { done: 3, failed: 0 },
		});
		expect(await counts()).toEqual([1, 1, 1]);
	});

	test('gives up at once if the bucket takes nothing, and tries few again', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		vi.spyOn(console, 'log').mockReturnValue();
		const bucket = new Proxy(env.MY_BUCKET, {
			get: () => () => Promise.reject(new Error('away')),
		});
		const broken = context({ MY_BUCKET: bucket });
		let step = await takeRunStep(broken, begin());
		for (let calls = 1; step.state !== null; calls++) {
			expect(calls).toBeLessThan(5);
			step = await takeRunStep(broken, stored(step.state));
		}
		expect(step).toMatchObject({ failed: NAMES, databases: { done: 0, failed: 3, total: 3 } });
		vi.restoreAllMocks();
	});

	test('counts the rows of all databases against those of a day', async () => {
		await env.DB.exec('INSERT INTO t VALUES (1), (2), (3)');
		const paid = context();
		const free = { ...paid, budget: { ...paid.budget, rowsRead: 60 } };
		let step = await takeRunStep(free, begin());
		while (step.state) step = await takeRunStep(free, stored(step.state));
		expect(step.failed.length).toBeGreaterThan(0);
		expect(step.failed).not.toContain('a');
		expect(step.done.at(-1)).toMatchObject({ code: 'too_many_rows' });
	});
});
