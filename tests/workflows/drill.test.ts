import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { R2Bucket } from '@cloudflare/workers-types';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getPlatformProxy } from 'wrangler';
import { makeIdentity } from '../../src/cli/secrets/identity.ts';
import { BackupApi } from '../../src/cli/client/api.ts';
import { freePort, migrate, type Server, startServer } from '../../src/cli/embedded/server.ts';
import type { BackupSummary, ListedBackup } from '../../src/lib/server/backup/format/manifest.ts';
import { TOTP } from '../../src/lib/totp.js';
import {
	type Context,
	cells,
	evaluate,
	job,
	readWorkflow,
	type Run,
	runJob,
	runnerPath,
	type Step,
} from './runner.ts';

const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const OTHER_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const ORIGIN = 'https://app.example.com';
const NAME = 'full_backup_2026-11-22T21:52:00.000Z';

const workflow = await readWorkflow('restore-drill.yml');
const backup = await readWorkflow('backup.yml');
const drill = job(workflow, 'drill');

describe('drilling the backups of a real app', () => {
	let persistTo: string;
	let server: Server;
	let damaged: BackupSummary;
	let newest: BackupSummary;

	beforeAll(async () => {
		persistTo = await mkdtemp(join(tmpdir(), 'lifeboat-drill-'));
		await migrate(persistTo);
		await start();
		damaged = await makeBackup();
		newest = await makeBackup();
		await server.stop();
		await damage(damaged);
		await start();
	});
	afterAll(async () => {
		await server?.stop();
		await rm(persistTo, { recursive: true });
	});

	async function start(more: Record<string, string> = {}): Promise<void> {
		server = await startServer({ persistTo, vars: { TOTP_SECRET: SECRET, ...more } });
	}

	async function readProof(name: string): Promise<unknown> {
		const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
		const headers = { Authorization: `Bearer ${code}` };
		return (await fetch(`${server.url}/api/backup/${name}`, { headers })).json();
	}

	function api(): BackupApi {
		return new BackupApi(server.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
	}

	function makeBackup(): Promise<BackupSummary> {
		return api().create();
	}

	/** The backup as the list has it now. */
	async function listed({ name }: BackupSummary): Promise<ListedBackup | undefined> {
		return (await api().list()).find((backup) => backup.name === name);
	}

	/** Changes one byte of the stored file: its size stays as it is. */
	async function damage({ files: [key = ''] }: BackupSummary): Promise<void> {
		const { env, dispose } = await getPlatformProxy<{ MY_BUCKET: R2Bucket }>({
			persist: { path: join(persistTo, 'v3') }, // where the server keeps it in that folder
			envFiles: [],
			remoteBindings: false,
		});
		const bytes = new Uint8Array((await (await env.MY_BUCKET.get(key))?.arrayBuffer()) ?? []);
		const middle = bytes.length >> 1;
		await env.MY_BUCKET.put(key, bytes.with(middle, (bytes[middle] ?? 0) ^ 1));
		await dispose();
	}

	test('the newest one is proven, shown as the summary, and the proof is recorded', async () => {
		expect(await listed(newest)).toMatchObject({ drilled: null });
		const run = await runDrill(server.url);
		expect(run).toMatchObject({ exitCode: 0, errors: [] });
		expect(run.commands).toEqual([`::notice title=Backup proven::${newest.name}`]);
		expect(plainCells(run.summary)).toMatchObject({
			Backup: newest.name,
			Made: newest.startedAt,
			Proven: 'yes',
			Tables: newest.tables.toLocaleString('en'),
			Rows: newest.rows.toLocaleString('en'),
			Size: expect.stringContaining(`(${newest.sqlBytes.toLocaleString('en')} bytes)`),
			'Time taken': expect.stringMatching(/^\d+\.\d s$/),
		});
		expect(newest.tables).toBeGreaterThan(1);
		const { drilled } = (await listed(newest)) ?? {};
		expect(drilled).toMatchObject({ proven: true });
		const proof = await readProof(`${newest.name}.proof-${drilled?.at}.json`);
		expect(proof).toMatchObject({ kind: 'drill', by: 'GitHub Actions' });
	});

	test('what is proven is not drilled again after a run of the other workflow', async () => {
		const before = (await listed(newest))?.drilled;
		const run = await runDrill(server.url, { github: { event_name: 'workflow_run' } });
		expect(run).toMatchObject({ exitCode: 0, errors: [] });
		const told = `${newest.name} was proven on ${before?.at}`;
		expect(run.commands).toEqual([`::notice title=Nothing new to drill::${told}`]);
		expect(plainCells(run.summary)).toEqual({
			Drill: '',
			Backup: newest.name,
			Made: newest.startedAt,
			Proven: `yes, on ${before?.at}`,
		});
		expect((await listed(newest))?.drilled).toEqual(before);
	});

	test('a damaged one fails the run with what differs, which is recorded too', async () => {
		const run = await runDrill(server.url, { inputs: { backup: damaged.name } });
		expect(run.exitCode).not.toBe(0);
		const differences = differencesIn(run.summary);
		expect(differences).toEqual([expect.stringContaining(damaged.files[0] ?? '')]);
		expect(run.errors).toEqual([[damaged.name, ...differences].join('\n')]);
		expect(plainCells(run.summary)).toMatchObject({ Backup: damaged.name, Proven: '**no**' });
		expect(await listed(damaged)).toMatchObject({ drilled: { proven: false } });
	});

	test.for(['full_backup_2020-01-01T00:00:00.000Z', '--help', '$(touch drilled)'])(
		'a backup %s that is not there fails the run',
		async (name) => {
			const run = await runDrill(server.url, { inputs: { backup: name } });
			expect(run.exitCode).not.toBe(0);
			expect(run.errors).toHaveLength(1);
			expect(plainCells(run.summary)).toMatchObject({ Backup: name, Problem: run.errors[0] });
		},
	);

	test('a wrong secret fails the run with what the app said', async () => {
		const run = await runDrill(server.url, { secrets: { TOTP_SECRET: OTHER_SECRET } });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('(code_invalid)')]);
	});

	test('one that is encrypted needs the identity, and says what to do without it', async () => {
		const file = join(persistTo, 'own.agekey');
		const recipient = await makeIdentity(file, false);
		await server.stop();
		await start({ BACKUP_AGE_RECIPIENTS: recipient });
		const { name } = await makeBackup();

		const without = await runDrill(server.url);
		expect(without.exitCode).not.toBe(0);
		expect(without.errors).toEqual([expect.stringContaining('gh secret set AGE_IDENTITY < FILE')]);
		expect(without.errors).toEqual([expect.stringContaining('drill at home')]);

		const identity = await readFile(file, 'utf8');
		const secrets = { TOTP_SECRET: SECRET, AGE_IDENTITY: identity };
		const env = { RUNNER_TEMP: persistTo };
		const run = await runDrill(server.url, { secrets, env });
		expect(run).toMatchObject({ exitCode: 0, errors: [] });
		expect(run.commands).toEqual([`::notice title=Backup proven::${name}`]);
		expect(run.output + run.summary).not.toContain('AGE-SECRET-KEY');
	});

	test('an app that is down fails the run', async () => {
		const url = `http://127.0.0.1:${await freePort()}`;
		const run = await runDrill(url);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('reached')]);
		expect(plainCells(run.summary)).toMatchObject({
			Backup: 'latest',
			Proven: 'no: it could not be tried',
			Problem: run.errors[0],
		});
	});
});

describe('telling how the drill ended', () => {
	let folder: string;
	beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lifeboat-npm-'))));
	afterAll(() => rm(folder, { recursive: true }));

	const RESULT = {
		backup: NAME,
		startedAt: '2026-12-01T03:20:00.000Z',
		finishedAt: '2026-12-01T03:21:02.340Z',
		proven: true,
		tables: 12,
		rows: 1_234_567,
		bytes: 98_765_432,
		differences: [] as string[],
	};

	/** Runs the job with a stand-in for npm that writes its words down and ends as it is told to. */
	async function runWith(
		output: string,
		code: number,
		inputs = {},
		secrets: Record<string, string> = { TOTP_SECRET: SECRET },
		github: Record<string, string> = { event_name: 'workflow_dispatch' },
	): Promise<Run> {
		await writeFile(join(folder, 'output'), output);
		const lines = [
			'#!/bin/bash',
			`printf '%s\\0' "$@" > '${folder}/words'`,
			`env > '${folder}/variables'`,
			`[[ -z $AGE_IDENTITY_FILE ]] || stat -c %a "$AGE_IDENTITY_FILE" > '${folder}/mode'`,
			`cat '${folder}/output'`,
			`exit ${code}`,
		];
		await writeFile(join(folder, 'npm'), lines.join('\n'), { mode: 0o755 });
		const env = { PATH: folder + delimiter + runnerPath(), RUNNER_TEMP: folder };
		return runDrill(ORIGIN, { inputs, secrets, github, env });
	}

	/** The words that the stand-in was called with. */
	async function words(): Promise<string[]> {
		return (await readFile(join(folder, 'words'), 'utf8')).split('\0').slice(0, -1);
	}

	test('a proven backup becomes the summary', async () => {
		const run = await runWith(JSON.stringify(RESULT), 0);
		expect(run.exitCode).toBe(0);
		expect(plainCells(run.summary)).toEqual({
			Drill: '',
			Backup: NAME,
			Made: '2026-11-22T21:52:00.000Z',
			Proven: 'yes',
			Tables: '12',
			Rows: '1,234,567',
			Size: '98.8 MB (98,765,432 bytes)',
			'Time taken': '62.3 s',
		});
	});

	test('every difference is told, and none is taken for Markdown or a command', async () => {
		const differences = [
			'users: row 3 of 100%',
			'a|b `c` **d** <img src=x>\\| [e](http://f) $g$ _h_',
			'i\r\n::add-mask::j | k |\n| l',
		];
		const run = await runWith(JSON.stringify({ ...RESULT, proven: false, differences }), 1);
		expect(run.exitCode).not.toBe(0);
		expect(run.commands).toHaveLength(1);
		expect(run.errors).toEqual([[NAME, ...differences].join('\n')]);
		expect(differencesIn(run.summary)).toEqual(
			differences.map((text) => text.replace(/\s+/g, ' ')),
		);
		expect(run.summary).not.toMatch(/(?<!\\)[`<[$_]/);
		for (const line of run.summary.trimEnd().split('\n')) {
			expect(line).toMatch(/^\|( ([^|\\]|\\.)* \|){2}$/);
		}
	});

	const failure = { error: 'The app cannot be reached.', code: 'unreachable', hint: 'Look at it.' };

	test.for<[string, string, number, string]>([
		[
			'a drill that could not be tried',
			JSON.stringify(failure),
			2,
			'The app cannot be reached. (unreachable) Look at it.',
		],
		['a drill that was killed', '', 137, 'The drill ended without a result.'],
		['a drill that was killed in a word', '{"prov', 137, 'The drill ended without a result.'],
		['words that are no result', 'null', 0, 'The drill ended without a result.'],
	])('%s fails the run', async ([, output, code, message]) => {
		const run = await runWith(output, code);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining(message)]);
		expect(plainCells(run.summary)).toEqual({
			Drill: '',
			Backup: 'latest',
			Proven: 'no: it could not be tried',
			Problem: run.errors[0],
		});
	});

	test('an identity is in a file for the owner, for as long as the drill lasts', async () => {
		const secrets = { TOTP_SECRET: SECRET, AGE_IDENTITY: 'AGE-SECRET-KEY-1TEST' };
		expect(await runWith(JSON.stringify(RESULT), 0, {}, secrets)).toMatchObject({ exitCode: 0 });
		expect(await readFile(join(folder, 'mode'), 'utf8')).toBe('600\n');
		const variables = await readFile(join(folder, 'variables'), 'utf8');
		expect(variables).toContain(`AGE_IDENTITY_FILE=${folder}/drill.agekey`);
		expect(variables).not.toContain('AGE-SECRET-KEY');
		expect(await readdir(folder)).not.toContain('drill.agekey');
	});

	test('what checks manifests reaches the drill', async () => {
		const keys = { BACKUP_MAC_KEY: 'mac key', TOTP_SECRET_PREVIOUS: 'old one' };
		await runWith(JSON.stringify(RESULT), 0, {}, { TOTP_SECRET: SECRET, ...keys });
		const variables = await readFile(join(folder, 'variables'), 'utf8');
		expect(variables).toContain('BACKUP_MAC_KEY=mac key');
		expect(variables).toContain('TOTP_SECRET_PREVIOUS=old one');
	});

	test('after a run of the other workflow only what is not proven yet is drilled', async () => {
		const github = { event_name: 'workflow_run' };
		await runWith(JSON.stringify(RESULT), 0, {}, { TOTP_SECRET: SECRET }, github);
		expect((await words()).slice(-3)).toEqual(['--unless-drilled', '--', 'latest']);
	});

	test('a drill that fails fails the run, whatever it said before', async () => {
		expect((await runWith(JSON.stringify(RESULT), 1)).exitCode).toBe(1);
	});

	test.for([
		[{}, 'latest'],
		[{ backup: '' }, 'latest'],
		[{ backup: NAME }, NAME],
		[{ backup: '--from "$(id)" \'; x' }, '--from "$(id)" \'; x'],
	] as const)('with the inputs %j the drill is of %s', async ([inputs, name]) => {
		await runWith(JSON.stringify(RESULT), 0, inputs);
		const options = ['--from', ORIGIN, '--record', '--json'];
		expect(await words()).toEqual(['run', '--silent', 'drill', '--', ...options, '--', name]);
	});
});

describe('the file', () => {
	test('a drill follows each backup that was made, and is there on demand', () => {
		expect(Object.keys(workflow.on).sort()).toEqual(['workflow_dispatch', 'workflow_run']);
		expect(workflow.on['workflow_run']).toEqual({
			workflows: [backup.name],
			types: ['completed'],
		});
		expect(workflow.on['workflow_dispatch']).toMatchObject({
			inputs: { backup: { default: 'latest' } },
		});
	});

	test.for([
		['workflow_dispatch', undefined, undefined, true],
		['workflow_run', 'success', 'main', true],
		['workflow_run', 'failure', 'main', false],
		['workflow_run', 'cancelled', 'main', false],
		['workflow_run', 'success', 'feature', false],
	] as const)('on %s after %s on %s: %s', ([name, conclusion, branch, expected]) => {
		const github = {
			event_name: name,
			event: {
				repository: { default_branch: 'main' },
				workflow_run: conclusion && { conclusion, head_branch: branch },
			},
		};
		expect(evaluate(drill.if ?? 'true', { github })).toBe(expected);
	});

	test('a running drill is left to end', () => {
		expect(workflow.concurrency).toEqual({ group: 'restore-drill', 'cancel-in-progress': false });
	});

	test('the drill may read the repository, ask for tokens, and nothing else', () => {
		expect(drill.permissions).toEqual({ contents: 'read', 'id-token': 'write' });
	});

	test('packages are installed before they are needed, and their scripts see no secret', () => {
		const names = drill.steps.map(({ name, uses }) => name ?? uses?.split('@')[0]);
		expect(names).toEqual([
			'actions/checkout',
			'Check the settings',
			'Install',
			'Drill the backup',
		]);
		const tokens = ['ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'ACTIONS_ID_TOKEN_REQUEST_URL'];
		const without = tokens.map((name) => `-u ${name}`).join(' ');
		expect(drill.steps[2]).toEqual({ name: 'Install', run: `env ${without} npm ci` });
		expect(workflow).not.toHaveProperty('env');
		expect(drill).not.toHaveProperty('env');
	});

	test("with GitHub's tokens it takes what checks who made a backup, and no more", async () => {
		const [, check] = drill.steps;
		const given = {
			vars: { BACKUP_URL: ORIGIN, BACKUP_OIDC_AUDIENCE: ORIGIN },
			env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://github.example' },
		};
		const steps = [check as Step];
		const without = await runJob({ ...drill, steps }, given);
		expect(without.errors).toEqual([expect.stringContaining('gh secret set BACKUP_MAC_KEY')]);
		for (const name of ['BACKUP_MAC_KEY', 'TOTP_SECRET']) {
			const run = await runJob({ ...drill, steps }, { ...given, secrets: { [name]: SECRET } });
			expect(run).toMatchObject({ exitCode: 0, output: '' });
		}
	});

	test('the settings are checked before anything else', async () => {
		const run = await runJob(drill, {});
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringContaining('TOTP_SECRET is missing'),
			expect.stringContaining('BACKUP_URL is missing'),
		]);
		expect(run.summary).toBe('');
	});
});

/** Runs the drill, and sees to it that no secret gets into its log. */
async function runDrill(url: string, context: Context = {}): Promise<Run> {
	const given = { vars: { BACKUP_URL: url }, secrets: { TOTP_SECRET: SECRET }, ...context };
	const run = await runJob(drill, given);
	for (const secret of [SECRET, OTHER_SECRET]) {
		expect(run.output + run.summary).not.toContain(secret);
	}
	return run;
}

/** The rows of a summary as people see them. */
function plainCells(summary: string): Record<string, string> {
	const entries = Object.entries(cells(summary));
	return Object.fromEntries(entries.map(([name, text]) => [name, unescape(text)]));
}

function differencesIn(summary: string): string[] {
	const rows = summary.matchAll(/^\| Difference \| (.*) \|$/gm);
	return [...rows].map(([, text = '']) => unescape(text));
}

function unescape(markdown: string): string {
	return markdown.replace(/\\([!-/:-@[-`{-~])/g, '$1');
}
