import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Followed, followed, followStep, newRun } from './follow.ts';
import type { Run } from './types.ts';

const NAME = 'full_backup_2026-11-27T10:02:00.000Z';
const NOW = Date.parse('2026-11-27T10:02:00.000Z');
const BEGUN = newRun(NOW, null);
const FAILURE = { error: 'Slow.', code: 'database_unavailable', hint: 'Try again.' };

const STEP = { event: 'step', name: NAME, step: 1 } as const;
const DONE = { event: 'done', made: { name: NAME, isDone: true, retryAfter: 0 } } as const;
const LEFT = { event: 'done', made: { name: NAME, isDone: false, retryAfter: 90 } } as const;
const rows = (table: string, count: number, bytes: number) =>
	({ event: 'rows', table, rows: count, bytes }) as const;

afterEach(() => {
	vi.unstubAllGlobals();
	vi.useRealTimers();
});

/** The run after some lines. */
function after(run: Run, ...lines: Parameters<typeof followed>[1][]): Run {
	const begin: Followed = { run, open: null };
	return lines.reduce((state, line) => followed(state, line), begin).run;
}

describe('a run after the lines of its answer', () => {
	test('knows its name once a step has begun', () => {
		const run = after({ ...BEGUN, state: 'waiting' }, { ...STEP, step: 4 });
		expect(run).toMatchObject({ name: NAME, step: 4, state: 'running' });
	});

	test('adds up what each table has so far', () => {
		const lines = [rows('a', 100, 1_000), rows('a', 150, 1_500), rows('b', 7, 70)];
		expect(after(BEGUN, ...lines)).toMatchObject({
			tables: 1,
			rows: 157,
			sqlBytes: 1_570,
			table: 'b',
		});
	});

	test('starts over from nothing', () => {
		const lines = [rows('a', 100, 1_000), { event: 'restart', attempt: 2 } as const];
		const nothing = { tables: 0, rows: 0, sqlBytes: 0, table: null };
		expect(after(BEGUN, ...lines)).toMatchObject({ ...nothing, attempt: 2, state: 'running' });
		expect(after(BEGUN, ...lines, rows('a', 30, 300))).toMatchObject({ tables: 0, rows: 30 });
	});

	test('is done with the last table too', () => {
		const run = after(BEGUN, rows('a', 1, 10), rows('b', 2, 20), DONE);
		expect(run).toMatchObject({ state: 'done', name: NAME, tables: 2, rows: 3, table: null });
	});

	test('waits as long as it is told to', () => {
		vi.useFakeTimers({ now: NOW });
		const run = after(BEGUN, rows('a', 1, 10), LEFT);
		expect(run).toMatchObject({ state: 'waiting', tables: 0, table: 'a' });
		expect(run.resumesAt).toBe('2026-11-27T10:03:30.000Z');
	});

	test('says why it failed', () => {
		const run = after(BEGUN, rows('a', 5, 50), { event: 'error', ...FAILURE });
		expect(run).toMatchObject({ state: 'failed', error: FAILURE, rows: 5 });
	});

	test('stays as it is after an event that this page does not know', () => {
		const line = { ...STEP, event: 'paused' } as unknown as typeof STEP;
		expect(after(BEGUN, line)).toEqual(BEGUN);
	});

	test('goes on in the next step with the same table, or with another one', () => {
		const waiting = after(BEGUN, rows('a', 100, 1_000), LEFT);
		const same = after(waiting, STEP, rows('a', 120, 1_200), rows('a', 150, 1_500), DONE);
		// The first line tells no more than where the table is, of which the run knows the rows already.
		expect(same).toMatchObject({ state: 'done', tables: 1, rows: 130, sqlBytes: 1_300 });
		const next = after(waiting, STEP, rows('b', 5, 50));
		expect(next).toMatchObject({ tables: 1, rows: 105, sqlBytes: 1_050 });
		expect(after(waiting, STEP, DONE).tables).toBe(1);
	});
});

/** Answers the next call with these bytes, in these pieces. */
function answerWith(pieces: (string | Uint8Array)[], type = 'application/x-ndjson', status = 200) {
	const encoder = new TextEncoder();
	const body = new ReadableStream<Uint8Array>({
		start(controller) {
			for (const piece of pieces) {
				controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
			}
			controller.close();
		},
	});
	const response = new Response(body, { status, headers: { 'Content-Type': type } });
	vi.stubGlobal('fetch', () => Promise.resolve(response));
}

const asLine = (line: object) => `${JSON.stringify(line)}\n`;
const follow = (run = BEGUN, report: (run: Run) => void = () => {}) =>
	followStep('/run', run, report);

describe('a step that is followed', () => {
	test('reports the run as lines come, and asks for lines', async () => {
		answerWith([asLine(STEP), asLine(rows('a', 3, 30)) + asLine(rows('a', 9, 90)), asLine(DONE)]);
		const seen: Run[] = [];
		expect(await follow(BEGUN, (run) => seen.push(run))).toMatchObject({ state: 'done', rows: 9 });
		expect(seen.map((run) => [run.state, run.rows])).toEqual([
			['running', 0],
			['running', 9],
			['done', 9],
		]);
	});

	test('may be cut within a line, and within a character', async () => {
		const bytes = new TextEncoder().encode(asLine(rows('naïve', 3, 30)));
		const middle = bytes.indexOf(0xc3) + 1; // of the two bytes of ï
		answerWith([asLine(STEP), bytes.slice(0, middle), bytes.slice(middle), asLine(DONE)]);
		const tables = new Set<string | null>();
		expect(await follow(BEGUN, ({ table }) => tables.add(table))).toMatchObject({ rows: 3 });
		expect([...tables]).toEqual([null, 'naïve']);
	});

	test.for([
		['no line at all', []],
		['lines and no end', [asLine(STEP), asLine(rows('a', 3, 30))]],
		['half a last line', [asLine(STEP), asLine(DONE).slice(0, -9)]],
		['something else in between', [asLine(STEP), '<html>\n', asLine(rows('a', 3, 30))]],
	] as const)('does not seem to run any more after %s', async ([, pieces]) => {
		for (const state of ['running', 'waiting'] as const) {
			answerWith([...pieces]);
			const run = await follow({ ...BEGUN, state });
			expect(run).toMatchObject({ state: 'failed', error: { code: 'answer_broken_off' } });
		}
	});

	test('does not seem to run any more after the connection is lost', async () => {
		const body = new ReadableStream<Uint8Array>({
			start: (controller) => controller.enqueue(new TextEncoder().encode(asLine(STEP))),
			pull: (controller) => controller.error(new Error('lost')),
		});
		const headers = { 'Content-Type': 'application/x-ndjson' };
		vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { headers })));
		expect(await follow()).toMatchObject({ state: 'failed', error: { code: 'answer_broken_off' } });
	});

	test('shows the refusal of the app', async () => {
		answerWith([JSON.stringify(FAILURE)], 'application/json', 409);
		expect(await follow()).toEqual({ ...BEGUN, state: 'failed', error: FAILURE });
	});

	test.for([
		['a page', '<html>', 'text/html', 200],
		['an error of something else', '{"message":"Bad gateway"}', 'application/json', 502],
		['a text that is not JSON', '{', 'application/json', 500],
		['null', 'null', 'application/json', 500],
	] as const)('fails if the answer is %s', async ([, text, type, status]) => {
		answerWith([text], type, status);
		expect(await follow()).toMatchObject({ state: 'failed', error: { code: 'no_answer' } });
	});

	test('throws if nobody answers', async () => {
		vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
		await expect(follow()).rejects.toThrow('Failed to fetch');
	});
});
