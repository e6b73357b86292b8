import type { RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../src/cli/embedded/server.ts';
import { cut, json, line, lines, listen, page } from '../stand-in.ts';
import { clock, runBackup } from './backup-run.ts';
import { textsIn } from './drill-run.ts';
import { cells, type Run } from './runner.ts';
import { DONE, ROWS, SUMMARY } from './stepped-app.ts';

describe('the report of a call', () => {
	/** Runs the backup against a stand-in for the app. */
	async function runAgainst(answer: RequestListener): Promise<Run> {
		await using app = await listen(answer);
		return await runBackup(app.url);
	}

	test('the done line of a long answer becomes the summary', async () => {
		const run = await runAgainst(lines(200, ROWS, { event: 'restart', attempt: 2 }, ROWS, DONE));
		expect(run.exitCode).toBe(0);
		expect(cells(run.summary)).toEqual({
			Backup: '',
			Name: 'full_backup_2026-11-22T21:52:00.000Z',
			Kind: 'full',
			Size: '98.8 MB (98,765,432 bytes)',
			Rows: '1,234,567',
			Tables: '12',
			'Time taken': '62.3 s',
			Consistency: 'fenced',
			Warnings: '0',
		});
	});

	test('a single JSON answer becomes the summary too', async () => {
		const run = await runAgainst(json(201, { success: true, backup: SUMMARY }));
		expect(run.exitCode).toBe(0);
		expect(cells(run.summary)).toMatchObject({ Rows: '1,234,567' });
	});

	test('a backup that was staged says how long others waited', async () => {
		const backup = { ...SUMMARY, consistency: 'staged', waitedMs: 1840 };
		const run = await runAgainst(json(201, { success: true, backup }));
		const told = 'staged: the database was in use, and its other queries waited for 1.8 s';
		expect(cells(run.summary)).toMatchObject({ Consistency: told });
		expect(run.output).toContain(told);
	});

	test('each warning of the backup is an annotation and a line of the summary', async () => {
		const warningTexts = ['"a|b" is contentless', 'c\n::add-mask::d'];
		const backup = { ...SUMMARY, warnings: 3, warningTexts };
		const run = await runAgainst(json(201, { success: true, backup }));
		expect(run.exitCode).toBe(0);
		const others = 'The manifest of this backup has 1 more warning.';
		expect(run.commands.slice(1)).toEqual([
			`::notice title=Backup made::${SUMMARY.name}`,
			'::warning title=Warning::"a|b" is contentless',
			'::warning title=Warning::c\ufffd::add-mask::d',
			`::warning title=Warning::${others}`,
		]);
		expect(run.summary).toContain('| Warnings | 3 |');
		expect(textsIn(run.summary, 'Warning')).toEqual([
			'"a|b" is contentless',
			'c ::add-mask::d',
			others,
		]);
	});

	const failure = { error: 'The bucket is full.', code: 'bucket_full', hint: 'Make room.' };
	const told = 'The bucket is full. (bucket_full) Make room.';
	const running = { error: 'Another is running.', code: 'backup_running', hint: 'Wait.' };
	const toldRunning = 'Another is running. (backup_running) Wait.';

	test.for<[string, RequestListener, string | RegExp]>([
		['an error', json(500, failure), told],
		['an error after progress', lines(200, ROWS, { event: 'error', ...failure }), told],
		['an answer without an end', cut(line(ROWS) + line(ROWS)), /^The answer broke off: .*closed/],
		['an answer cut within a line', cut(line(ROWS) + '{"event":"do'), /^The answer broke off: /],
		['an answer cut after its last line', cut(line(ROWS) + line(DONE)), /^The answer broke off: /],
		['progress without a result', lines(200, ROWS), /^The answer broke off: it has no result/],
		['another running backup', json(409, running, { 'Retry-After': '1' }), toldRunning],
		['a result with an error status', lines(500, DONE), /^HTTP 500 /],
		['an empty object with an error status', json(503, {}), /^HTTP 503 /],
		['an empty answer', lines(200), /^The answer broke off: it has no result/],
		['a backup without success', json(201, { backup: SUMMARY }), /^HTTP 201 /],
		['a framework error', json(500, { message: 'Internal Error' }), /^HTTP 500 .*Internal Error/],
		[
			'no answer to the request',
			(request) => request.socket.destroy(),
			/^The app at .+ cannot be reached/,
		],
	])('%s fails the run', async ([, answer, message]) => {
		const run = await runAgainst(answer);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			typeof message === 'string' ? message : expect.stringMatching(message),
		]);
		expect(run.summary).toBe('');
	});

	test("a proxy's error page fails the run and is quoted", async () => {
		const html = '<!doctype html>\n<title>502</title>\n<h1>Bad\n gateway</h1>\n';
		const run = await runAgainst(page(502, html));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(/^HTTP 502 .* 502 Bad gateway$/)]);
	});

	test('an app that is down fails the run', async () => {
		const run = await runBackup(`http://127.0.0.1:${await freePort()}`);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringMatching(/^The app at .+ cannot be reached: .+BACKUP_URL/),
		]);
	});

	test('a redirect is not followed, so that the code reaches no other host', async () => {
		let calls = 0;
		await using elsewhere = await listen((request, response) => {
			calls++;
			lines(200, DONE)(request, response);
		});
		const run = await runAgainst((_, response) => {
			response.writeHead(307, { Location: `${elsewhere.url}/api/backup` }).end();
		});
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(/^HTTP 307 .*BACKUP_URL/)]);
		expect(calls).toBe(0);
	});

	test('a message cannot smuggle in a workflow command', async () => {
		const error = '100%0A\r\n::add-mask::x\n::stop-commands::y %';
		const run = await runAgainst(json(500, { error, code: 'odd', hint: '\n::warning::z' }));
		expect(run.commands).toHaveLength(2);
		expect(run.commands[0]).toMatch(/^::add-mask::[\w-]{32}$/);
		expect(run.errors).toEqual([`${error.replace('\r', '\ufffd')} (odd) \n::warning::z`]);
	});

	test.for<[string, RequestListener]>([
		['an error', json(503, failure)],
		['a temporary error', json(409, running, { 'Retry-After': '1' })],
		['a page', page(502, 'Bad gateway')],
		['a broken answer', cut(line(ROWS))],
	])(
		'the first call is not repeated after %s, because it may have made a backup',
		async ([, fail]) => {
			let calls = 0;
			const run = await runAgainst((request, response) => {
				calls++;
				fail(request, response);
			});
			expect(run.exitCode).not.toBe(0);
			expect(calls).toBe(1);
		},
	);

	test.for<[string, RequestListener, RegExp]>([
		['before its answer', () => {}, /^The app at .+ cannot be reached: no line for two minutes\./],
		['in its answer', silentAfter(ROWS), /^The answer broke off: no line for two minutes\./],
	])('the run gives up on an app that falls silent %s', async ([, answer, message]) => {
		await using app = await listen(answer);
		const run = await runBackup(app.url, {}, clock({ [120_000]: 500 }));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(message)]);
	});

	test('the log of a long answer is short', async () => {
		const run = await runAgainst(lines(200, ...Array.from({ length: 5000 }, () => ROWS), DONE));
		expect(run.exitCode).toBe(0);
		const told = run.output.split('\n').filter((text) => text.startsWith('users: '));
		expect(told[0]).toBe('users: 500 rows, 60.0 kB (60,000 bytes) of SQL');
		expect(told.length).toBeLessThan(50);
	});

	test('progress cannot smuggle in a workflow command', async () => {
		const table = 'a\n::warning::b\n##[warning]c';
		const bytes = '1\n::warning::d';
		const restart = { event: 'restart', attempt: '2\n::warning::e' };
		const run = await runAgainst(lines(200, { ...ROWS, table, bytes }, restart, DONE));
		expect(run.exitCode).toBe(0);
		expect(run.output).toMatch(/^a\ufffd::warning::b\ufffd## \[warning\]c: 500 rows/m);
		expect(run.commands).toHaveLength(2); // the mask of the code, and the notice
		expect(run.output).not.toContain('##[');
	});

	/** Sends the first line of an answer, then falls silent. */
	function silentAfter(object: object): RequestListener {
		return (_, response) => {
			response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
			response.write(line(object));
		};
	}
});
