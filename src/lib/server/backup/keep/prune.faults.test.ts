import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isTurn } from '../../../../../tests/counts.ts';
import { shortenWaits } from '../../../../../tests/fast-waits.ts';
import {
	DAY,
	engineAt,
	HOUR,
	NOW,
	pruneAt,
	retention,
	store,
	storeDays,
} from '../../../../../tests/retained.ts';
import { type Gate, SimulatedBucket } from '../../../../../tests/simulation/bucket.ts';
import { LifeboatError } from '../../errors.ts';
import { manifestKey } from '../format/names.ts';
import { LEASE_MS } from '../storage/lock.ts';
import { GRACE_MS, readMarks } from './marks.ts';
import { pinBackup, requestRemoval, unmarkBackup } from './requests.ts';
import { pruneNow } from './run.ts';

// Workers and calls of R2 that fail at every call of a run that marks, removes, and finishes removals.

const DUE = NOW + GRACE_MS;
const KEEP = 5;

/** A bucket in which a run has marks to set, and backups to remove: a full one with a differential among them. */
let prepared: SimulatedBucket;
let kept: string[];
let gone: string[];

beforeAll(async () => {
	prepared = new SimulatedBucket();
	const bucket = bindingOf(prepared);
	const newest = await storeDays(4, { bucket });
	const parent = await store(NOW - 20 * DAY, { bucket, volumes: 2 });
	const child = await store(NOW - 19 * DAY, { bucket, parent });
	await pruneAt(NOW, 4, { bucket });
	kept = [await store(DUE - HOUR, { bucket }), ...newest];
	const marked = await store(NOW - 10 * DAY, { bucket });
	kept.push(marked); // within this run: it is only marked
	gone = [child, parent];
});

function bindingOf(bucket: SimulatedBucket, gate: Gate = async (call) => call()): R2Bucket {
	return bucket.binding(gate, () => NOW);
}

const run = (bucket: R2Bucket, now = DUE) => pruneAt(now, KEEP, { bucket });

/** Fails if something is missing of a backup that stays, or of one that still has its manifest. */
function expectWhole({ objects }: SimulatedBucket): void {
	const there = [...objects.keys()];
	for (const name of kept) {
		expect(there.filter((key) => key.startsWith(`${name}.`))).toHaveLength(3);
	}
	const [child = '', parent = ''] = gone;
	const needs: [string, string[]][] = [
		[child, [`${child}.sql`, manifestKey(parent)]],
		[parent, [`${parent}.sql`, `${parent}.2.sql`]],
	];
	for (const [name, files] of needs) {
		if (there.includes(manifestKey(name))) expect(there).toEqual(expect.arrayContaining(files));
	}
}

/** Fails if the next run does not finish. */
async function expectFinished(bucket: SimulatedBucket, now: number): Promise<void> {
	await run(bindingOf(bucket), now);
	expectWhole(bucket);
	const left = [...bucket.objects.keys()].filter((key) =>
		gone.some((name) => key.startsWith(name)),
	);
	expect(left).toEqual([]);
	const marks = await readMarks(engineAt(now, { bucket: bindingOf(bucket) }));
	expect(Object.keys(marks)).toEqual([kept.at(-1)]);
}

/** The number of calls of a run without failures. */
async function callsOfRun(): Promise<number> {
	let calls = 0;
	const bucket = prepared.copy();
	const done = await run(bindingOf(bucket, async (call) => (calls++, call())));
	expect(done).toMatchObject({ removed: gone, marked: [kept.at(-1)] });
	expectWhole(bucket);
	return calls;
}

const FAULT = 'Internal error; please try again. (10001)';

describe.for([
	['before it is made', false],
	['after it was made', true],
] as const)('a call of R2 that fails %s', ([, afterwards]) => {
	test('once does not keep the run from its end', async () => {
		const total = await callsOfRun();
		for (let n = 1; n <= total; n++) {
			const bucket = prepared.copy();
			let calls = 0;
			const gate: Gate = async (call) => {
				if (++calls !== n) return call();
				if (afterwards) call();
				throw new Error(FAULT);
			};
			await attempt(() => run(bindingOf(bucket, gate)));
			expectWhole(bucket);
			await expectFinished(bucket, DUE + LEASE_MS);
		}
	});

	test('as all later ones do: nothing is missing, and the next run finishes', async () => {
		const total = await callsOfRun();
		shortenWaits();
		const log = vi.spyOn(console, 'error').mockReturnValue();
		for (let n = 1; n <= total; n++) {
			if (!isTurn(n + Number(afterwards))) continue;
			const bucket = prepared.copy();
			let calls = 0;
			const gate: Gate = async (call) => {
				if (++calls < n) return call();
				if (calls === n && afterwards) call();
				throw new Error(FAULT);
			};
			await attempt(() => run(bindingOf(bucket, gate)));
			expectWhole(bucket);
			await expectFinished(bucket, DUE + LEASE_MS);
		}
		log.mockRestore();
	});

	test('because the Worker dies: nothing is missing, and the next run finishes', async () => {
		const total = await callsOfRun();
		for (let n = 1; n <= total; n++) {
			const bucket = prepared.copy();
			const { promise: died, resolve } = Promise.withResolvers<null>();
			let calls = 0;
			const gate: Gate = (call) => {
				if (++calls < n) return Promise.resolve(call());
				if (calls === n && afterwards) call();
				resolve(null);
				return new Promise(() => {});
			};
			await Promise.race([run(bindingOf(bucket, gate)), died]);
			expectWhole(bucket);
			await expectFinished(bucket, DUE + LEASE_MS);
		}
	});
});

/** Only what R2 refuses may fail a run. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
	try {
		await work();
	} catch (error) {
		expect(error).toMatchObject({ code: 'storage_error' });
	}
}

describe('a person who decides in the middle of a run', () => {
	test.for([
		['pin', pinBackup],
		['unmark', unmarkBackup],
	] as const)('saves the backup, or is told that it is too late: %s', async ([, decide]) => {
		const total = await callsOfRun();
		const outcomes = new Set<string>();
		const [child = '', parent = ''] = gone;
		for (let n = 1; n <= total; n++) {
			const bucket = prepared.copy();
			const engine = engineAt(DUE, { bucket: bindingOf(bucket) });
			let outcome = 'not asked';
			let isMarked = false;
			let calls = 0;
			const gate: Gate = async (call) => {
				if (++calls !== n) return call();
				isMarked = child in (await readMarks(engine));
				outcome = await outcomeOf(decide(engine, manifestKey(child), ''));
				return call();
			};
			await run(bindingOf(bucket, gate));
			const there = [...bucket.objects.keys()];
			const files = there.filter((key) => key.startsWith(`${child}.`)).length;
			const isSaved = outcome === 'saved' && isMarked;
			expect([files, there.includes(manifestKey(parent))], `call ${n}`).toEqual(
				isSaved ? [4, true] : [0, false],
			);
			outcomes.add(outcome);
		}
		expect([...outcomes]).toEqual(expect.arrayContaining(['saved', 'backup_being_removed']));
	});

	test('asks for a removal once, however often the call is repeated', async () => {
		const bucket = prepared.copy();
		const engine = engineAt(DUE, { bucket: bindingOf(bucket) });
		const log = retention({ last: KEEP });
		const [name = ''] = kept.slice(-2);
		const first = await requestRemoval(engine, log, manifestKey(name));
		const later = { ...engine, now: () => DUE + DAY };
		expect(first.isNew).toBe(true);
		const second = await requestRemoval(later, log, manifestKey(name));
		expect(second).toEqual({ ...first, isNew: false });
		await pruneNow(engineAt(DUE + GRACE_MS - HOUR, { bucket: engine.bucket }), log);
		expectWhole(bucket);
	});
});

/** What came of a decision: that the backup is saved, or the code of an error. */
async function outcomeOf(decision: Promise<unknown>): Promise<string> {
	try {
		await decision;
		return 'saved';
	} catch (error) {
		return error instanceof LifeboatError ? error.code : String(error);
	}
}
