import { describe, expect, test } from 'vitest';
import { makeBackup } from '../../src/cli/client/make-backup.ts';
import type { BackupSummary } from '../../src/lib/server/backup/format/manifest.ts';
import { TOTP } from '../../src/lib/totp.js';
import { type Answer, bodies, json, lines, listen, page, type Request } from '../stand-in.ts';
import { clock, context, masked, runBackup, SECRET } from './backup-run.ts';
import { cells, job, readWorkflow, type Run, runJob } from './runner.ts';
import {
	BROKEN,
	FIRST,
	type Fault,
	LOST,
	onward,
	refusal,
	ROWS,
	SteppedApp,
	SUMMARY,
	ticketFor,
} from './stepped-app.ts';

const errorLine = (code: string) => lines(200, ROWS, { event: 'error', ...refusal(code) });

/** The pauses between attempts at one step, in seconds. */
const PAUSES = [1, 4, 15, 40, 90, 180];
const noPauses = clock(Object.fromEntries(PAUSES.map((seconds) => [seconds * 1000, 1])));

/** Runs the workflow's backup against a stand-in. */
async function runAgainst(
	answer: Answer,
	env: Record<string, string> = {},
): Promise<{ run: Run; requests: Request[] }> {
	const requests: Request[] = [];
	await using app = await listen(answer, requests);
	return { run: await runBackup(app.url, {}, env), requests };
}

describe('a backup in steps', () => {
	test('follows the tickets to the end, and counts the steps in the summary', async () => {
		const app = new SteppedApp(3);
		const { run, requests } = await runAgainst(app.answer);
		expect(run.exitCode).toBe(0);
		expect(app.done).toEqual([1, 2, 3]);
		expect(bodies(requests)).toEqual([FIRST, ticketFor(2), ticketFor(3)]);
		expect(cells(run.summary)).toMatchObject({ Name: SUMMARY.name, Steps: '3' });
		expect(run.commands.at(-1)).toBe(`::notice title=Backup made::${SUMMARY.name}`);
	});

	test('sends a fresh code with each call, and masks it and the ticket in the log', async () => {
		const { run, requests } = await runAgainst(new SteppedApp(3).answer);
		const codes = requests.map(
			({ headers }) => headers.authorization?.replace('Bearer ', '') ?? '',
		);
		for (const code of codes) expect(await new TOTP(SECRET).verify(code, Date.now())).toBe(true);
		expect(new Set(masked(run))).toEqual(
			new Set([...codes, SteppedApp.ticket(2), SteppedApp.ticket(3)]),
		);
	});

	test('masks them before anything can print them', async () => {
		const app = new SteppedApp(3, {
			2: {
				answer: (request, response, body) => {
					const error = `What was that? ${request.headers.authorization} ${body}`;
					json(400, { ...refusal('odd'), error })(request, response);
				},
			},
		});
		await using server = await listen(app.answer);
		const backup = job(await readWorkflow('backup.yml'), 'backup');
		const run = await runJob(backup, context(server.url)); // runBackup would throw on unmasked values
		const [printed = ''] = run.commands.filter((command) => command.startsWith('::error'));
		expect(printed).toContain(SteppedApp.ticket(2));
		for (const secret of [SteppedApp.ticket(2), ...masked(run)]) {
			const at = run.output.indexOf(`::add-mask::${secret}\n`);
			expect(at).toBeGreaterThanOrEqual(0);
			expect(at).toBeLessThan(run.output.indexOf(printed));
		}
	});

	const running = json(409, refusal('backup_running'), { 'Retry-After': '4' });

	test.for<[string, Record<number, Fault>, string]>([
		['a connection that breaks', { 2: BROKEN }, '(answer_broken_off). Retrying in 1 s.'],
		['an answer lost after its step', { 2: LOST }, '(answer_broken_off). Retrying in 1 s.'],
		['the last answer lost', { 3: LOST }, '(answer_broken_off). Retrying in 1 s.'],
		['two failures of the same step', { 2: BROKEN, 3: LOST }, 'Retrying in 4 s.'],
		['a failure in each step', { 2: BROKEN, 4: BROKEN }, 'Retrying in 1 s.'],
		['a step that still runs', { 2: { answer: running } }, '(backup_running). Retrying in 4 s.'],
		['a call duplicated in transit', { 2: { after: true, answer: running } }, 'Retrying in 4 s.'],
		[
			'an error page from a proxy',
			{ 2: { answer: page(502, '<h1>Bad gateway</h1>') } },
			'_unknown). Retrying',
		],
		['a rate limit', { 2: { answer: page(429, 'Too many') } }, '_unknown). Retrying'],
		['a dropped connection', { 2: { answer: (request) => request.socket.destroy() } }, '_unrea'],
		['a bucket that refuses', { 2: { answer: errorLine('storage_error') } }, '(storage_error).'],
		['a database that is away', { 2: { answer: errorLine('database_unavailable') } }, '_unavail'],
	])('survives %s', async ([, faults, told]) => {
		const app = new SteppedApp(3, faults);
		const { run } = await runAgainst(app.answer, noPauses);
		expect(run.errors).toEqual([]);
		expect(run.exitCode).toBe(0);
		expect(app.done).toEqual([1, 2, 3]); // each once
		expect(run.output).toContain(told);
		expect(cells(run.summary)).toMatchObject({ Steps: '3' });
	});

	test.for(['ticket_spent', 'ticket_expired', 'ticket_invalid', 'snapshot_unstable'])(
		'ends with %s, which no further call could fix',
		async (code) => {
			const app = new SteppedApp(3, { 2: { answer: json(409, refusal(code)) } });
			const { run, requests } = await runAgainst(app.answer);
			expect(run.exitCode).not.toBe(0);
			expect(run.errors).toEqual([`It does not go on. (${code}) Begin a new backup.`]);
			expect(requests).toHaveLength(2);
			expect(run.summary).toBe('');
		},
	);

	test('gives up on a step that keeps failing, and says what is wrong', async () => {
		const faults = Array.from({ length: 20 }, (_, call) => [call + 2, BROKEN] as const);
		const app = new SteppedApp(3, Object.fromEntries(faults));
		const { run, requests } = await runAgainst(app.answer, noPauses);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(/^The answer broke off: .*list of backups/)]);
		const pauses = [...run.output.matchAll(/Retrying in (\d+) s/g)].map(([, number]) =>
			Number(number),
		);
		expect(pauses).toEqual(PAUSES);
		expect(bodies(requests)).toEqual([FIRST, ...PAUSES.map(() => ticketFor(2)), ticketFor(2)]);
	});

	test('waits as long as the app asks, but no longer than the five-minute lock', async () => {
		const busy = json(409, refusal('backup_running'), { 'Retry-After': '3600' });
		const app = new SteppedApp(2, { 2: { answer: busy } });
		const { run } = await runAgainst(app.answer, clock({ [300_000]: 1 }));
		expect(run.exitCode).toBe(0);
		expect(run.output).toContain('(backup_running). Retrying in 300 s.');
	});
});

describe('an app that asks for pauses', () => {
	const PAUSE = 720;

	test('gets them between its steps, and none before the first or after the last', async () => {
		const app = new SteppedApp(3, {}, PAUSE);
		const { run } = await runAgainst(app.answer, clock({ [PAUSE * 1000]: 1 }));
		expect(run.errors).toEqual([]);
		expect(app.done).toEqual([1, 2, 3]);
		expect(run.output.match(/pause of 720 s before the next step/g)).toHaveLength(2);
	});

	test('is called again five minutes after a failed step, whatever it asks, and twice at most', async () => {
		const busy = { answer: json(409, refusal('backup_running'), { 'Retry-After': '4' }) };
		const quick = clock({ [PAUSE * 1000]: 1, [300_000]: 1 });
		const { run } = await runAgainst(
			new SteppedApp(3, { 2: BROKEN, 3: busy }, PAUSE).answer,
			quick,
		);
		expect(run.errors).toEqual([]);
		expect(run.output.match(/Retrying in 300 s/g)).toHaveLength(2);
		const broken = { 2: BROKEN, 3: BROKEN, 4: BROKEN };
		const given = await runAgainst(new SteppedApp(3, broken, PAUSE).answer, quick);
		expect(given.run.errors).toEqual([expect.stringContaining('(answer_broken_off)')]);
		expect(given.requests).toHaveLength(4);
	});

	test('waits an hour at most', async () => {
		const pauses: number[] = [];
		const sleep = async (milliseconds: number) => void pauses.push(milliseconds);
		const backup = SUMMARY as unknown as BackupSummary;
		const answers = [
			...[1e12, 0, -5].map((retryAfter, index) => ({ ...onward(index + 1), retryAfter })),
			{ backup, due: true },
		];
		const call = async () => answers.shift() ?? { backup, due: true };
		await makeBackup(call, new AbortController().signal, { sleep });
		expect(pauses).toEqual([3_600_000]);
	});

	test('can be left during a pause', async () => {
		const controller = new AbortController();
		const call = async () => ({ ...onward(1), retryAfter: PAUSE });
		const report = () => controller.abort(new Error('Stopped.'));
		await expect(makeBackup(call, controller.signal, { report })).rejects.toThrow('Stopped.');
	});
});

describe('a backup that would never end', () => {
	/** Answers 202 to every call. */
	function endless(next: (call: number) => object): Answer {
		let calls = 0;
		return (_, response) => {
			const object = { event: 'done', success: true, ...next(++calls) };
			setTimeout(() => lines(200, object)(_, response), 20);
		};
	}

	test('ends when no step makes progress', async () => {
		const { run, requests } = await runAgainst(endless(() => onward(1)));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('(steps_without_progress)')]);
		expect(requests).toHaveLength(2);
	});

	test('may shrink when its dump starts over', async () => {
		const answers = [onward(1, 500), onward(2, 900), onward(3, 100), { backup: SUMMARY }];
		const { run } = await runAgainst(endless((call) => answers[call - 1] ?? {}));
		expect(run.exitCode).toBe(0);
	});

	test('ends after almost six hours, even during a pause', async () => {
		const hours = clock({ [350 * 60_000]: 1000 });
		const { run } = await runAgainst(endless(onward), hours);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringMatching(/^The backup was not .* 5 hours and 50 minutes/),
		]);

		const busy = json(409, refusal('backup_running'), { 'Retry-After': '300' });
		const paused = await runAgainst(new SteppedApp(2, { 2: { answer: busy } }).answer, hours);
		expect(paused.run.errors).toEqual(run.errors);
		expect(paused.run.output).toContain('Retrying in 300 s.');
	});

	test('ends after 10,000 steps', async () => {
		let steps = 0;
		const call = async () => onward(++steps);
		await expect(makeBackup(call, new AbortController().signal)).rejects.toMatchObject({
			code: 'steps_too_many',
		});
		expect(steps).toBeLessThan(10_010);
	});

	test.for(['a\n::warning::b', 'a b', '', 7])('ends when the ticket is %j', async (resume) => {
		const { run, requests } = await runAgainst(endless(() => ({ ...onward(1), resume })));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toHaveLength(1);
		expect(run.commands).toHaveLength(2); // the mask of the code, and the error
		expect(requests).toHaveLength(1);
	});
});
