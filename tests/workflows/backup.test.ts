import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/cli/embedded/server.ts';
import { TOTP } from '../../src/lib/totp.js';
import { App } from '../app/app.ts';
import { json, listen, type Request } from '../stand-in.ts';
import { context, OTHER_SECRET, runBackup, SECRET } from './backup-run.ts';
import { cells, job, readWorkflow, type Run, runJob } from './runner.ts';
import { DONE } from './stepped-app.ts';

const ORIGIN = 'https://app.example.com';

const backup = await readWorkflow('backup.yml');

describe('backing up a real app', () => {
	let app: App;

	beforeAll(async () => {
		app = new App();
		await app.start({ TOTP_SECRET: SECRET });
	});
	afterAll(() => app?.stop());

	test('a successful run makes a backup and shows it in the summary', async () => {
		const run = await runBackup(app.url);
		expect(run).toMatchObject({ exitCode: 0 });
		const [made, ...others] = await listBackups(app.url);
		expect(others).toEqual([]);
		expect(run.commands).toEqual([
			expect.stringMatching(/^::add-mask::[\w-]{32}$/),
			expect.stringMatching(/^::warning title=The app warns::The backup is not encrypted/),
			`::notice title=Backup made::${made?.['name']}`,
		]);
		const count = (name: string) => Number(made?.[name]).toLocaleString('en');
		const time = (name: string) => Date.parse(String(made?.[name]));
		expect(cells(run.summary)).toMatchObject({
			Name: made?.['name'],
			Size: expect.stringContaining(`(${count('bytes')} bytes)`),
			Rows: count('rows'),
			Tables: count('tables'),
			'Time taken': `${((time('finishedAt') - time('startedAt')) / 1000).toFixed(1)} s`,
			Consistency: made?.['consistency'],
			Warnings: count('warnings'),
		});
		expect(made?.['tables']).toBeGreaterThan(1); // so the comparisons above were not of NaN
	});

	test("a wrong secret fails the run with the app's error", async () => {
		const run = await runBackup(app.url, { TOTP_SECRET: OTHER_SECRET });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('(code_invalid)')]);
		expect(run.errors).toEqual([expect.stringContaining('node genTotp.js')]); // the hint
		expect(run.summary).toBe('');
	});
});

test('the call sends the current code in a header, out of sight of process lists', async () => {
	const requests: Request[] = [];
	await using app = await listen(json(201, DONE), requests);
	const run = await runBackup(`${app.url}/`);
	expect(run.exitCode).toBe(0);

	const [request, ...others] = requests;
	expect(others).toEqual([]);
	expect(request).toMatchObject({
		method: 'POST',
		url: '/api/backup?database=*',
		body: '{"action":"backup"}',
		headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
	});
	const [, code = ''] = /^Bearer ([\w-]{32})$/.exec(request?.headers.authorization ?? '') ?? [];
	expect(await new TOTP(SECRET).verify(code, Date.now())).toBe(true);
	expect(run.commands).toContain(`::add-mask::${code}`);
	const scriptsOfJob = job(backup, 'backup').steps.flatMap((step) => step.run ?? []);
	expect(scriptsOfJob.at(-1)).toBe('node src/cli/commands/backup.ts --all'); // the whole command line
});

describe('settings', () => {
	test('each missing setting is named', async () => {
		const run = await runJob(job(backup, 'backup'), { secrets: {}, vars: {} });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringContaining('TOTP_SECRET is missing'),
			expect.stringContaining('BACKUP_URL is missing'),
		]);
		expect(run.output).not.toContain('add-mask'); // no call was prepared
	});

	test('settings that are present are not named', async () => {
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
		expect(run.errors).toEqual([expect.stringContaining('BACKUP_URL is not an https origin')]);
		expect(run.commands).toHaveLength(1);
	});

	test.for([ORIGIN, `${ORIGIN}/`, `${ORIGIN}:8443`, 'http://localhost:8788', 'http://127.0.0.1'])(
		'BACKUP_URL %j is accepted',
		async (url) => {
			const { steps } = job(backup, 'backup');
			const checked = steps.slice(0, steps.findIndex((step) => step.run) + 1);
			const run = await runJob({ steps: checked }, context(url));
			expect(run).toMatchObject({ exitCode: 0, output: '' });
		},
	);

	test('an invalid secret fails the run before any call', async () => {
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

	test("re-enables this workflow with the run's token", async () => {
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

	test('runs on the schedule only, whether or not the backup succeeds', () => {
		expect(keepAlive).not.toHaveProperty('needs');
		expect(keepAlive.if).toBe("github.event_name == 'schedule'");
	});
});

async function listBackups(url: string): Promise<Record<string, unknown>[]> {
	// The next step's code, because the current one has been used.
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000 + 30);
	const headers = { Authorization: `Bearer ${code}` };
	const response = await fetch(`${url}/api/backup`, { headers });
	return ((await response.json()) as { backups: Record<string, unknown>[] }).backups;
}
