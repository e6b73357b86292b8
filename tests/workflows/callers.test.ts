import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { BackupApi } from '../../src/cli/client/api.ts';
import { clock, masked, runBackup, SECRET } from './backup-run.ts';
import { cells, type Context, type Run, runnerPath } from './runner.ts';
import { type Answer, bodies, json, lines, listen, type Request } from '../stand-in.ts';
import { type Fault, ROWS, refusal, SteppedApp, SUMMARY } from './stepped-app.ts';

// How API callers identify themselves, and what they do when the app refuses them.

const API_KEY = 'k'.repeat(32);
const never = new AbortController().signal;

/** Runs the workflow's backup against a stand-in. */
async function runAgainst(
	answer: Answer,
	{ secrets, env, ...more }: Context = {},
): Promise<{ run: Run; requests: Request[] }> {
	const requests: Request[] = [];
	await using app = await listen(answer, requests);
	return { run: await runBackup(app.url, secrets, env, more), requests };
}

/** A stand-in for GitHub's runner, which returns a new token for each request: `a.token.1` and so on. */
async function tokens(requests: Request[]) {
	const server = await listen(
		(request, response) => json(200, { value: `a.token.${requests.length}` })(request, response),
		requests,
	);
	const environment = {
		ACTIONS_ID_TOKEN_REQUEST_URL: `${server.url}/token?api-version=2.0`,
		ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner',
	};
	return { environment, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('with an API key', () => {
	const secrets = { BACKUP_API_KEY: API_KEY };

	test('each call sends it with the code, and no log shows it', async () => {
		const { run, requests } = await runAgainst(new SteppedApp(3).answer, { secrets });
		expect(run.errors).toEqual([]);
		expect(requests).toHaveLength(3);
		for (const { headers } of requests) {
			expect(headers['x-api-key']).toBe(API_KEY);
			expect(headers.authorization).toMatch(/^Bearer [\w-]{32}$/);
		}
		expect(masked(run)).toContain(API_KEY);
	});

	test('the commands send it too', async () => {
		const requests: Request[] = [];
		await using app = await listen(json(200, { backups: [] }), requests);
		const environment = { TOTP_SECRET: SECRET, BACKUP_API_KEY: ` ${API_KEY}\n` };
		await new BackupApi(app.url, environment, never).list();
		expect(requests).toMatchObject([{ headers: { 'x-api-key': API_KEY } }]);
	});

	test('a key that is too short is reported before any call', async () => {
		const short = { BACKUP_API_KEY: 'k'.repeat(31) };
		const { run, requests } = await runAgainst(new SteppedApp(1).answer, { secrets: short });
		expect(run.errors).toEqual([expect.stringContaining('BACKUP_API_KEY is too short')]);
		expect(requests).toEqual([]);
	});

	test('a key that is not a valid header value is not repeated in the error', async () => {
		const environment = { TOTP_SECRET: SECRET, BACKUP_API_KEY: `${API_KEY}é\nx` };
		const refused = new BackupApi('http://127.0.0.1', environment, never).list();
		await expect(refused).rejects.toMatchObject({ code: 'backup_api_key_invalid' });
		await expect(refused).rejects.not.toThrow(API_KEY);
	});

	test('without a key the header is not sent', async () => {
		const { requests } = await runAgainst(new SteppedApp(1).answer);
		expect(requests[0]?.headers).not.toHaveProperty('x-api-key');
	});
});

describe("with GitHub's tokens", () => {
	const AUDIENCE = 'https://app.example.com';
	const vars = { BACKUP_OIDC_AUDIENCE: `${AUDIENCE}/` };

	test('each call sends a fresh token, and no code is needed', async () => {
		const asked: Request[] = [];
		await using runner = await tokens(asked);
		const secrets = { TOTP_SECRET: '', BACKUP_API_KEY: API_KEY };
		const { run, requests } = await runAgainst(new SteppedApp(3).answer, {
			...{ secrets, vars, env: runner.environment },
		});
		expect(run.errors).toEqual([]);
		const sent = requests.map(({ headers }) => headers.authorization);
		expect(sent).toEqual(['Bearer a.token.1', 'Bearer a.token.2', 'Bearer a.token.3']);
		expect(masked(run)).toEqual(expect.arrayContaining(['a.token.1', 'a.token.2', 'a.token.3']));
		for (const { headers } of requests) expect(headers).not.toHaveProperty('x-api-key');
		for (const { url, headers } of asked) {
			expect(new URL(url ?? '', AUDIENCE).searchParams.get('audience')).toBe(AUDIENCE);
			expect(headers.authorization).toBe('bearer runner');
		}
	});

	test('the setting changes nothing outside a workflow', async () => {
		const requests: Request[] = [];
		await using app = await listen(json(200, { backups: [] }), requests);
		const environment = { TOTP_SECRET: SECRET, BACKUP_OIDC_AUDIENCE: AUDIENCE };
		await new BackupApi(app.url, environment, never).list();
		expect(requests[0]?.headers.authorization).toMatch(/^Bearer [\w-]{32}$/);
	});

	test('no call is made when GitHub refuses a token', async () => {
		await using github = await listen(json(403, { message: 'No.' }));
		const env = {
			ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?a=b`,
			ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner',
		};
		const { run, requests } = await runAgainst(new SteppedApp(1).answer, { vars, env });
		expect(run.errors).toEqual([expect.stringContaining('(token_unavailable)')]);
		expect(requests).toEqual([]);
	});

	test.for([
		['https://app.example.com/api', 'BACKUP_OIDC_AUDIENCE is not an https origin'],
		['app.example.com', 'BACKUP_OIDC_AUDIENCE is not an https origin'],
		[AUDIENCE, 'id-token: write'],
	] as const)('the audience %s is reported before any call', async ([audience, told]) => {
		const { run, requests } = await runAgainst(new SteppedApp(1).answer, {
			vars: { BACKUP_OIDC_AUDIENCE: audience },
		});
		expect(run.errors).toEqual([expect.stringContaining(told)]);
		expect(requests).toEqual([]);
	});
});

describe('a call that is refused before it starts anything', () => {
	const away = (code: string, seconds: number, status = 401): Answer =>
		json(status, refusal(code), { 'Retry-After': String(seconds) });
	const quick = clock({ 17_000: 1, 30_000: 1, 60_000: 1 });
	const unsaid = { answer: json(401, refusal('code_spent')) };
	const resumed = (ticket: string) => ({ action: 'resume', ticket });

	test.for<[string, Record<number, Fault>, string]>([
		[
			'the first call',
			{ 1: { answer: away('code_spent', 17) } },
			'(code_spent). Retrying in 17 s.',
		],
		['a step', { 2: { answer: away('code_spent', 17) } }, '(code_spent). Retrying in 17 s.'],
		['a call without a Retry-After', { 1: unsaid }, '(code_spent). Retrying in 30 s.'],
		['a throttled call', { 1: { answer: away('throttled', 60, 429) } }, 'Retrying in 60 s.'],
		['a token', { 2: { answer: away('issuer_unreachable', 60, 503) } }, 'Retrying in 60 s.'],
	])('%s is retried, because nothing was done', async ([, faults, told]) => {
		const app = new SteppedApp(2, faults);
		const { run, requests } = await runAgainst(app.answer, { env: quick });
		expect(run.errors).toEqual([]);
		expect(run.output).toContain(told);
		expect(app.done).toEqual([1, 2]);
		const first = { action: 'backup' };
		const second = resumed(SteppedApp.ticket(2));
		const twice = 1 in faults ? [first, first, second] : [first, second, second];
		expect(bodies(requests)).toEqual(twice);
	});

	test('it is retried only a few times', async () => {
		const { run, requests } = await runAgainst(away('code_spent', 17), { env: quick });
		expect(run.errors).toEqual([expect.stringContaining('(code_spent)')]);
		expect(requests).toHaveLength(4);
	});

	test.for<[string, Answer]>([
		['access_locked', away('access_locked', 5, 429)],
		['throttled', away('throttled', 61, 429)],
		['throttled', json(429, refusal('throttled'))],
		['code_invalid', away('code_invalid', 5)],
	])('%s is reported at once when waiting does not help', async ([code, answer]) => {
		const { run, requests } = await runAgainst(answer);
		expect(run.errors).toEqual([`It does not go on. (${code}) Begin a new backup.`]);
		expect(requests).toHaveLength(1);
	});

	test('the commands wait as well', async () => {
		let calls = 0;
		await using app = await listen((request, response, body) => {
			const answer = ++calls === 1 ? away('code_spent', 0) : json(200, { backups: [SUMMARY] });
			answer(request, response, body);
		});
		const api = new BackupApi(app.url, { TOTP_SECRET: SECRET }, never);
		expect(await api.list()).toEqual([SUMMARY]);
		expect(calls).toBe(2);
	});

	test('the commands can be interrupted during the wait', async () => {
		const controller = new AbortController();
		const stopped = new Error('Stopped.');
		await using app = await listen((request, response, body) => {
			away('code_spent', 30)(request, response, body);
			setTimeout(() => controller.abort(stopped), 100);
		});
		const api = new BackupApi(app.url, { TOTP_SECRET: SECRET }, controller.signal);
		await expect(api.list()).rejects.toBe(stopped);
	});
});

describe('a warning of the app', () => {
	const warning = 'The code was made with TOTP_SECRET_PREVIOUS. 100%';

	/** An app that takes three steps and warns in each answer. */
	function warner(text: string): Answer {
		const app = new SteppedApp(3);
		return (request, response, body) => {
			response.setHeader('X-Backup-Warning', text);
			app.answer(request, response, body);
		};
	}

	test('becomes one annotation, and the backup is made', async () => {
		const { run } = await runAgainst(warner(warning));
		expect(run.exitCode).toBe(0);
		const warnings = run.commands.filter((command) => command.startsWith('::warning'));
		expect(warnings).toEqual([`::warning title=The app warns::${warning.replace('%', '%25')}`]);
	});

	test("becomes one line on a command's standard error, without control characters", async () => {
		await using app = await listen(warner(`${warning}\u009b31m`));
		const env = { PATH: runnerPath(), TOTP_SECRET: SECRET, BACKUP_URL: app.url };
		const child = spawn(process.execPath, ['src/cli/commands/backup.ts'], { env });
		const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
		expect(stderr).toBe(`The app warns: ${warning}\ufffd31m\n`);
	});
});

describe('only when one is due', () => {
	const daily = { github: { event: { schedule: '43 4 * * *' } } };
	const newest = { success: true, due: false, backup: SUMMARY };

	test.for<[string, Answer]>([
		['in one piece', json(200, newest)],
		['as lines', lines(200, ROWS, { event: 'done', ...newest })],
	])('making no backup is a success when none is due, reported %s', async ([, answer]) => {
		const { run, requests } = await runAgainst(answer, daily);
		expect(run.exitCode).toBe(0);
		expect(bodies(requests)).toEqual([{ action: 'backup', when: 'due' }]);
		const told = `the newest is from ${SUMMARY.startedAt}`;
		expect(run.commands.at(-1)).toBe(`::notice title=No backup is due::${told}`);
		expect(cells(run.summary)).toEqual({
			Backup: '',
			Made: 'no: none is due',
			Newest: SUMMARY.name,
			From: SUMMARY.startedAt,
		});
	});

	test('a backup that is due is completed', async () => {
		const app = new SteppedApp(2);
		const { run, requests } = await runAgainst(app.answer, daily);
		expect(bodies(requests)[0]).toEqual({ action: 'backup', when: 'due' });
		expect(app.done).toEqual([1, 2]);
		expect(run.commands.at(-1)).toBe(`::notice title=Backup made::${SUMMARY.name}`);
	});

	test('an unknown BACKUP_WHEN makes no backup', async () => {
		const env = { PATH: runnerPath(), BACKUP_URL: 'http://127.0.0.1', BACKUP_WHEN: 'sometimes' };
		const child = spawn(process.execPath, ['src/cli/commands/backup.ts'], { env });
		const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
		expect(code).toBe(1);
		expect(stderr).toMatch(/\(backup_when_invalid\)/);
	});
});
