import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SECRET } from './backup-run.ts';
import { plainCells, refuseSecrets, textsIn, workflow } from './drill-run.ts';
import { job, type Run, runJob, runnerPath } from './runner.ts';

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';

describe('the report of a drill', () => {
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

	/** Runs the job with a stand-in for npm that records its arguments and exits with this output and code. */
	async function runWith(
		output: string,
		code: number,
		secrets: Record<string, string> = { TOTP_SECRET: SECRET },
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
		const needs = { fetch: { outputs: { backup: NAME } } };
		// Without the steps that install packages and unpack what the first job has fetched.
		const steps = job(workflow, 'drill').steps.filter(
			({ id, uses }) => id === 'drill' || uses?.startsWith('actions/setup-node@'),
		);
		const run = await runJob({ ...job(workflow, 'drill'), steps }, { needs, secrets, env });
		refuseSecrets(run);
		return run;
	}

	/** The arguments that the stand-in recorded. */
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

	test('each warning of a proven backup is an annotation and a line of the summary', async () => {
		const warnings = ['"a|b" is contentless', 'c\n::add-mask::d'];
		const run = await runWith(JSON.stringify({ ...RESULT, warnings }), 0);
		expect(run.exitCode).toBe(0);
		expect(run.commands).toEqual([
			`::notice title=Backup proven::${NAME}`,
			'::warning title=Warning::"a|b" is contentless',
			'::warning title=Warning::c\ufffd::add-mask::d',
		]);
		expect(plainCells(run.summary)).toMatchObject({ Proven: 'yes, with 2 warnings' });
		expect(textsIn(run.summary, 'Warning')).toEqual(['"a|b" is contentless', 'c ::add-mask::d']);
	});

	test('every difference is reported, none as Markdown or a workflow command', async () => {
		const differences = [
			'users: row 3 of 100%',
			'a|b `c` **d** <img src=x>\\| [e](http://f) $g$ _h_',
			'i\r\n::add-mask::j | k |\n| l',
		];
		const run = await runWith(JSON.stringify({ ...RESULT, proven: false, differences }), 1);
		expect(run.exitCode).not.toBe(0);
		expect(run.commands).toHaveLength(1);
		expect(run.errors).toEqual([[NAME, ...differences].join('\n').replace('\r', '\ufffd')]);
		expect(textsIn(run.summary, 'Difference')).toEqual(
			differences.map((text) => text.replace(/\s+/g, ' ')),
		);
		expect(run.summary).not.toMatch(/(?<!\\)[`<[$_]/);
		for (const line of run.summary.trimEnd().split('\n')) {
			expect(line).toMatch(/^\|( ([^|\\]|\\.)* \|){2}$/);
		}
	});

	const failure = {
		error: 'The app cannot be reached.',
		code: 'unreachable',
		hint: 'Look at it.',
	};

	test.for<[string, string, number, string]>([
		[
			'a drill that could not run',
			JSON.stringify(failure),
			2,
			'The app cannot be reached. (unreachable) Look at it.',
		],
		['a drill that was killed', '', 137, 'The drill ended without a result.'],
		[
			'a drill that was killed within its output',
			'{"prov',
			137,
			'The drill ended without a result.',
		],
		['output that is not a result', 'null', 0, 'The drill ended without a result.'],
	])('%s fails the run', async ([, output, code, message]) => {
		const run = await runWith(output, code);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining(message)]);
		expect(plainCells(run.summary)).toEqual({
			Drill: '',
			Backup: NAME,
			Proven: 'no: the drill did not run',
			Problem: run.errors[0],
		});
	});

	test('the identity file exists only during the drill, and only its owner can read it', async () => {
		const secrets = { TOTP_SECRET: SECRET, AGE_IDENTITY: 'AGE-SECRET-KEY-1TEST' };
		expect(await runWith(JSON.stringify(RESULT), 0, secrets)).toMatchObject({ exitCode: 0 });
		expect(await readFile(join(folder, 'mode'), 'utf8')).toBe('600\n');
		const variables = await readFile(join(folder, 'variables'), 'utf8');
		expect(variables).toContain(`AGE_IDENTITY_FILE=${folder}/drill.agekey`);
		expect(variables).not.toContain('AGE-SECRET-KEY');
		expect(await readdir(folder)).not.toContain('drill.agekey');
	});

	test('the secrets that verify manifests reach the drill', async () => {
		const older = { TOTP_SECRET: SECRET, TOTP_SECRET_PREVIOUS: 'old one' };
		await runWith(JSON.stringify(RESULT), 0, older);
		const variables = await readFile(join(folder, 'variables'), 'utf8');
		expect(variables).toContain('TOTP_SECRET_PREVIOUS=old one');
		await runWith(JSON.stringify(RESULT), 0, { ...older, BACKUP_MAC_KEY: 'mac key' });
		const withKey = await readFile(join(folder, 'variables'), 'utf8');
		expect(withKey).toContain('BACKUP_MAC_KEY=mac key');
		expect(withKey).not.toMatch(new RegExp(`${SECRET}|old one`));
	});

	test('what it found becomes the proof to record, also when the backup differs', async () => {
		const { outputs } = await runWith(JSON.stringify({ ...RESULT, warnings: ['x'] }), 0);
		const proof = { ...RESULT, backup: undefined, kind: 'drill', by: 'GitHub Actions' };
		expect(JSON.parse(outputs['proof'] ?? '')).toEqual(proof);
		const differs = { ...RESULT, proven: false, differences: ['a\nproof=b'] };
		const failed = await runWith(JSON.stringify(differs), 1);
		expect(JSON.parse(failed.outputs['proof'] ?? '')).toMatchObject({ proven: false });
		expect((await runWith('', 137)).outputs['proof']).toBe('');
	});

	test('a failing drill fails the run, whatever it printed', async () => {
		expect((await runWith(JSON.stringify(RESULT), 1)).exitCode).toBe(1);
	});

	test('the file of the backup is drilled, which needs no call of the app', async () => {
		await runWith(JSON.stringify(RESULT), 0);
		const manifest = join(folder, 'drill', `${NAME}.manifest.json`);
		expect(await words()).toEqual(['run', '--silent', 'drill', '--', '--file', manifest, '--json']);
	});
});
