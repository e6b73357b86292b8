import { execFileSync } from 'node:child_process';
import { access, constants, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, migrate, startServer, type Server } from '../../src/cli/embedded/server.ts';
import { TOTP } from '../../src/lib/totp.js';
import { clock, context, OTHER_SECRET, runBackup, SECRET } from './backup-run.ts';
import {
	cells,
	evaluate,
	job,
	readWorkflow,
	type Run,
	runJob,
	scripts,
	type Step,
	WORKFLOWS,
} from './runner.ts';
import { cut, json, line, lines, listen, page, type Request } from '../stand-in.ts';
import { DONE, ROWS, SUMMARY } from './stepped-app.ts';

const ORIGIN = 'https://app.example.com';

const files = await readdir(WORKFLOWS);
const backup = await readWorkflow('backup.yml');
const ci = await readWorkflow('ci.yml');

describe('backing up a real app', () => {
	let persistTo: string;
	let server: Server;

	beforeAll(async () => {
		persistTo = await mkdtemp(join(tmpdir(), 'lifeboat-app-'));
		await migrate(persistTo);
		server = await startServer({ persistTo, vars: { TOTP_SECRET: SECRET } });
	});
	afterAll(async () => {
		await server?.stop();
		await rm(persistTo, { recursive: true });
	});

	test('a good run makes a backup and shows it as the summary', async () => {
		const run = await runBackup(server.url);
		expect(run).toMatchObject({ exitCode: 0 });
		const [made, ...others] = await listBackups(server.url);
		expect(others).toEqual([]);
		expect(run.commands).toEqual([
			expect.stringMatching(/^::add-mask::\d{6}$/),
			`::notice title=Backup made::${made?.['name']}`,
		]);
		const count = (name: string) => Number(made?.[name]).toLocaleString('en');
		const time = (name: string) => Date.parse(String(made?.[name]));
		expect(cells(run.summary)).toMatchObject({
			Name: `\`${made?.['name']}\``,
			Size: expect.stringContaining(`(${count('bytes')} bytes)`),
			Rows: count('rows'),
			Tables: count('tables'),
			'Time taken': `${((time('finishedAt') - time('startedAt')) / 1000).toFixed(1)} s`,
			Consistency: made?.['consistency'],
			Warnings: count('warnings'),
		});
		expect(made?.['tables']).toBeGreaterThan(1); // numbers, so the comparison was not of NaN
	});

	test('a wrong secret fails with what the app said', async () => {
		const run = await runBackup(server.url, { TOTP_SECRET: OTHER_SECRET });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('(code_invalid)')]);
		expect(run.errors).toEqual([expect.stringContaining('node genTotp.js')]); // the hint
		expect(run.summary).toBe('');
	});
});

describe('telling how the call ended', () => {
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
			Name: '`full_backup_2026-11-22T21:52:00.000Z`',
			Size: '98.8 MB (98,765,432 bytes)',
			Rows: '1,234,567',
			Tables: '12',
			'Time taken': '62.3 s',
			Consistency: 'fenced',
			Warnings: '0',
		});
	});

	test('an answer in one piece counts as well', async () => {
		const run = await runAgainst(json(201, { success: true, backup: SUMMARY }));
		expect(run.exitCode).toBe(0);
		expect(cells(run.summary)).toMatchObject({ Rows: '1,234,567' });
	});

	const failure = { error: 'The bucket is full.', code: 'bucket_full', hint: 'Make room.' };
	const told = 'The bucket is full. (bucket_full) Make room.';
	const running = { error: 'Another is running.', code: 'backup_running', hint: 'Wait.' };
	const toldRunning = 'Another is running. (backup_running) Wait.';

	test.for<[string, RequestListener, string | RegExp]>([
		['an error', json(500, failure), told],
		['an error after progress', lines(200, ROWS, { event: 'error', ...failure }), told],
		['an answer without its end', cut(line(ROWS) + line(ROWS)), /^The answer broke off: .*closed/],
		['an answer cut in a line', cut(line(ROWS) + '{"event":"do'), /^The answer broke off: /],
		['an answer cut after its last line', cut(line(ROWS) + line(DONE)), /^The answer broke off: /],
		['progress without a result', lines(200, ROWS), /^The answer broke off: it has no result/],
		['another backup that is running', json(409, running, { 'Retry-After': '1' }), toldRunning],
		['a result with an error status', lines(500, DONE), /^HTTP 500 /],
		['nothing but a status', json(503, {}), /^HTTP 503 /],
		['nothing at all', lines(200), /^The answer broke off: it has no result/],
		['a backup and no success', json(201, { backup: SUMMARY }), /^HTTP 201 /],
		['a framework error', json(500, { message: 'Internal Error' }), /^HTTP 500 .*Internal Error/],
		[
			'no answer to the request',
			(request) => request.socket.destroy(),
			/^The app cannot be reached/,
		],
	])('%s fails the run', async ([, answer, message]) => {
		const run = await runAgainst(answer);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			typeof message === 'string' ? message : expect.stringMatching(message),
		]);
		expect(run.summary).toBe('');
	});

	test("a proxy's page fails the run with its words", async () => {
		const html = '<!doctype html>\n<title>502</title>\n<h1>Bad\n gateway</h1>\n';
		const run = await runAgainst(page(502, html));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(/^HTTP 502 .* 502 Bad gateway$/)]);
	});

	test('an app that is down fails the run', async () => {
		const run = await runBackup(`http://127.0.0.1:${await freePort()}`);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(/^The app cannot be reached: .+BACKUP_URL/)]);
	});

	test('a redirect is not followed: nobody else gets the code', async () => {
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
		expect(run.commands[0]).toMatch(/^::add-mask::\d{6}$/);
		expect(run.errors).toEqual([`${error} (odd) \n::warning::z`]);
	});

	test.for<[string, RequestListener]>([
		['an error', json(503, failure)],
		['an error that passes', json(409, running, { 'Retry-After': '1' })],
		['a page', page(502, 'Bad gateway')],
		['a broken answer', cut(line(ROWS))],
	])(
		'the first call is made once, also after %s: it may have made its backup',
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
		['before its answer', () => {}, /^The app cannot be reached: no line for two minutes\./],
		['in its answer', silentAfter(ROWS), /^The answer broke off: no line for two minutes\./],
	])('an app that falls silent %s is given up', async ([, answer, message]) => {
		await using app = await listen(answer);
		const run = await runBackup(app.url, {}, clock({ [120_000]: 2000 }));
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringMatching(message)]);
	});

	test('a long answer is told in a few lines', async () => {
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
		expect(run.output).toMatch(/^a warning b warning c: 500 rows/m);
		expect(run.commands).toHaveLength(2); // the mask of the code, and the notice
		expect(run.output).not.toContain('##[');
	});

	/** Sends a line of an answer, and nothing more. */
	function silentAfter(object: object): RequestListener {
		return (_, response) => {
			response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
			response.write(line(object));
		};
	}
});

test('the call carries the code of the moment in a header, which no process list shows', async () => {
	const requests: Request[] = [];
	await using app = await listen(json(201, DONE), requests);
	const run = await runBackup(`${app.url}/`);
	expect(run.exitCode).toBe(0);

	const [request, ...others] = requests;
	expect(others).toEqual([]);
	expect(request).toMatchObject({
		method: 'POST',
		url: '/api/backup',
		body: '{"action":"backup"}',
		headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
	});
	const [, code = ''] = /^Bearer (\d{6})$/.exec(request?.headers.authorization ?? '') ?? [];
	expect(await new TOTP(SECRET).verify(code, Date.now())).toBe(true);
	expect(run.commands).toContain(`::add-mask::${code}`);
	const scriptsOfJob = job(backup, 'backup').steps.flatMap((step) => step.run ?? []);
	expect(scriptsOfJob.at(-1)).toBe('node src/cli/commands/backup.js'); // the whole command line
});

describe('settings', () => {
	test('each missing one is named', async () => {
		const run = await runJob(job(backup, 'backup'), { secrets: {}, vars: {} });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringContaining('TOTP_SECRET is missing'),
			expect.stringContaining('BACKUP_URL is missing'),
		]);
		expect(run.output).not.toContain('add-mask'); // nothing was tried
	});

	test('only the missing one is named', async () => {
		const run = await runBackup(ORIGIN, { TOTP_SECRET: '' });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('TOTP_SECRET is missing')]);
	});

	test.for([
		'http://app.example.com',
		'http://127.0.0.1.example.com',
		'http://127.0.0.1:80@example.com',
		'https://user:password@app.example.com',
		'https://app.example.com/api/backup',
		'https://app.example.com?x',
		'https://app.example.com https://elsewhere.example.com',
		'https://',
		'app.example.com',
		'file:///etc/passwd',
		`${ORIGIN}\n::warning::x`,
	])('BACKUP_URL %j is refused', async (url) => {
		const run = await runBackup(url);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('BACKUP_URL is no https origin')]);
		expect(run.commands).toHaveLength(1);
	});

	test.for([ORIGIN, `${ORIGIN}/`, `${ORIGIN}:8443`, 'http://localhost:8788', 'http://127.0.0.1'])(
		'BACKUP_URL %j is accepted',
		async (url) => {
			const [check] = job(backup, 'backup').steps.filter((step) => step.run);
			const run = await runJob({ ...job(backup, 'backup'), steps: [check as Step] }, context(url));
			expect(run).toMatchObject({ exitCode: 0, output: '' });
		},
	);

	test('a secret that makes no code fails before any call', async () => {
		const requests: Request[] = [];
		await using app = await listen(json(201, DONE), requests);
		const run = await runBackup(app.url, { TOTP_SECRET: 'deadbeef01' });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringMatching(/^TOTP_SECRET makes no code: .*hexadecimal.* `npm run setup`/),
		]);
		expect(requests).toEqual([]);
	});
});

describe('keeping the schedule', () => {
	const keepAlive = job(backup, 'keep-alive');

	function runKeepAlive(api: string): Promise<Run> {
		const env = { GITHUB_API_URL: api, GITHUB_REPOSITORY: 'ada/engine' };
		return runJob(keepAlive, { github: { token: 'ghs_token' }, env });
	}

	test('enables this workflow anew with the token of the run', async () => {
		const requests: Request[] = [];
		await using api = await listen((_, response) => void response.writeHead(204).end(), requests);
		expect(await runKeepAlive(api.url)).toMatchObject({ exitCode: 0, output: '\n' });
		// https://docs.github.com/en/rest/actions/workflows#enable-a-workflow
		expect(requests).toMatchObject([
			{
				method: 'PUT',
				url: '/repos/ada/engine/actions/workflows/backup.yml/enable',
				headers: { authorization: 'Bearer ghs_token' },
				body: '',
			},
		]);
	});

	test('only warns when GitHub refuses', async () => {
		await using api = await listen(json(403, { message: 'Resource not accessible' }));
		const run = await runKeepAlive(api.url);
		expect(run.exitCode).toBe(0);
		expect(run.commands).toEqual([expect.stringMatching(/^::warning title=.+::.+60 days/)]);
		expect(run.output).toContain('Resource not accessible');
	});

	test('only warns when GitHub cannot be reached', async () => {
		const run = await runKeepAlive(`http://127.0.0.1:${await freePort()}`);
		expect(run.exitCode).toBe(0);
		expect(run.commands).toEqual([expect.stringMatching(/^::warning title=/)]);
	});

	test('does not depend on the backup, and is for the schedule only', () => {
		expect(keepAlive).not.toHaveProperty('needs');
		expect(keepAlive.if).toBe("github.event_name == 'schedule'");
	});
});

describe('the files', () => {
	test('the backup is made monthly, looked for daily, and made on demand', () => {
		expect(Object.keys(backup.on).sort()).toEqual(['schedule', 'workflow_dispatch']);
		const crons = (backup.on['schedule'] as { cron: string }[]).map(({ cron }) => cron);
		// Away from the start of an hour, and on a day that each month has.
		expect(crons).toEqual([
			expect.stringMatching(/^\d?[13579] (1?\d|2[0-3]) ([1-9]|1\d|2[0-8]) \* \*$/),
			expect.stringMatching(/^\d?[13579] (1?\d|2[0-3]) \* \* \*$/),
		]);
		expect(job(backup, 'backup')).not.toHaveProperty('if');
		const when = job(backup, 'backup').steps.at(-1)?.env?.['BACKUP_WHEN'] ?? '';
		const on = (event: object) => evaluate(when.slice(3, -2), { github: { event } });
		expect(on({ schedule: crons[0] })).toBe('');
		expect(on({ schedule: crons[1] })).toBe('due');
		expect(on({})).toBe(''); // the button
	});

	test('a running backup is left to end; an outdated check is not', () => {
		expect(backup.concurrency).toEqual({ group: 'backup', 'cancel-in-progress': false });
		expect(ci.concurrency).toEqual({ group: 'ci-${{ github.ref }}', 'cancel-in-progress': true });
	});

	test('each job may do what it needs and no more', () => {
		expect(job(backup, 'backup').permissions).toEqual({ contents: 'read', 'id-token': 'write' });
		expect(job(backup, 'keep-alive').permissions).toEqual({ actions: 'write' });
		expect(job(ci, 'test').permissions).toEqual({ contents: 'read' });
		expect(job(ci, 'audit').permissions).toEqual({ contents: 'read' });
	});

	test('every change and every push to main is checked in one command, and what it depends on', () => {
		expect(ci.on).toEqual({ push: { branches: ['main'] }, pull_request: null });
		expect(scripts(ci)).toEqual(['bash .ci/run', 'npm audit --audit-level=low']);
	});

	test.for(files)('%s keeps the rules', async (file) => {
		const workflow = await readWorkflow(file);
		expect(workflow.permissions).toEqual({});
		expect(workflow.concurrency?.group).toBeTruthy();
		for (const { permissions, 'timeout-minutes': timeout, steps } of Object.values(workflow.jobs)) {
			expect(permissions).toBeDefined();
			expect(timeout).toBeLessThanOrEqual(file === 'nightly.yml' ? 300 : 60);
			for (const step of steps) {
				if (step.uses) expect(step.uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
				// The token of the checkout would lie in the folder for every later step.
				if (step.uses?.startsWith('actions/checkout@')) {
					expect(step.with).toMatchObject({ 'persist-credentials': false });
				}
				if (!step.run) continue;
				expect(step.run).not.toContain('${{'); // what it expands to would be code
				expect(step.shell ?? workflow.defaults?.run.shell).toBe('bash');
			}
		}
		const source = await readFile(join(WORKFLOWS, file), 'utf8');
		const pins = source.split('\n').filter((text) => text.includes('uses:'));
		for (const pin of pins) expect(pin).toMatch(/ # v\d+\.\d+\.\d+$/);
	});

	test('bash understands every script', async () => {
		const workflows = await Promise.all(files.map(readWorkflow));
		const all = [...workflows.flatMap(scripts), await readFile('.ci/run', 'utf8')];
		expect(all.length).toBeGreaterThan(3);
		for (const script of all) execFileSync('bash', ['-n'], { input: script });
		expect(() => execFileSync('bash', ['-n'], { input: 'if', stdio: 'pipe' })).toThrow();
	});

	test('.ci/run is a program', async () => {
		await access('.ci/run', constants.X_OK);
	});
});

async function listBackups(url: string): Promise<Record<string, unknown>[]> {
	// The code of the next step: the one of this step has been used.
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000 + 30);
	const headers = { Authorization: `Bearer ${code}` };
	const response = await fetch(`${url}/api/backup`, { headers });
	return ((await response.json()) as { backups: Record<string, unknown>[] }).backups;
}
