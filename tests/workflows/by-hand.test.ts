import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { BackupApi } from '../../src/cli/client/api.ts';
import { projectFolder, removeFolder } from '../operator.ts';
import { bodies, json, listen, type Request } from '../stand-in.ts';
import { SECRET } from './backup-run.ts';
import { runnerPath } from './runner.ts';
import { FIRST, LOST, refusal, SteppedApp, SUMMARY, ticketFor } from './stepped-app.ts';

const BACKUP = resolve('src/cli/commands/backup.ts');

// Backups in steps made without a workflow: by the commands, and by the loop in the documentation.

describe('the API of the commands', () => {
	const api = (url: string, signal = new AbortController().signal) =>
		new BackupApi(url, { TOTP_SECRET: SECRET }, signal);

	test('makes a backup in steps, and survives a broken step', async () => {
		const stand = new SteppedApp(3, { 2: LOST });
		await using app = await listen(stand.answer);
		expect(await api(app.url).create()).toEqual(SUMMARY);
		expect(stand.done).toEqual([1, 2, 3]);
	});

	test("passes on the app's error", async () => {
		await using app = await listen(json(409, refusal('backup_running')));
		await expect(api(app.url).create()).rejects.toMatchObject({
			name: 'LifeboatError',
			code: 'backup_running',
			status: 409,
			hint: 'Begin a new backup.',
		});
	});

	test('stops during a call', async () => {
		const controller = new AbortController();
		const stopped = new Error('Stopped.');
		await using app = await listen(() => controller.abort(stopped)); // never answers
		await expect(api(app.url, controller.signal).create()).rejects.toBe(stopped);
	});

	test('stops during a pause', async () => {
		const controller = new AbortController();
		const stopped = new Error('Stopped.');
		const stand = new SteppedApp(2, {
			2: {
				answer: (request, response) => {
					json(409, refusal('backup_running'), { 'Retry-After': '300' })(request, response);
					setTimeout(() => controller.abort(stopped), 200);
				},
			},
		});
		await using app = await listen(stand.answer);
		await expect(api(app.url, controller.signal).create()).rejects.toBe(stopped);
	});
});

describe('by hand', () => {
	/** Runs a program and returns what it printed and how it ended. */
	async function end(command: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string) {
		const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
		const [stdout, stderr, code] = await Promise.all([
			text(child.stdout),
			text(child.stderr),
			new Promise((resolve) => child.once('close', resolve)),
		]);
		return { stdout, stderr, code };
	}

	/** Runs the documented loop against this app. */
	async function runLoop(url: string, more: Record<string, string> = {}) {
		const page = await readFile('docs/api.md', 'utf8');
		const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script = '']) => script);
		const loops = blocks.filter((script) => script.includes('resume'));
		expect(loops).toHaveLength(1);
		const script = String(loops[0]).replace('https://APP', url);
		expect(script).toContain(url);
		return end('sh', ['-c', script], { PATH: runnerPath(), TOTP_SECRET: SECRET, ...more });
	}

	test('the curl loop makes a backup in one call', async () => {
		const stand = new SteppedApp(1);
		await using app = await listen(stand.answer);
		const { stdout, stderr, code } = await runLoop(app.url);
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		expect(JSON.parse(stdout)).toEqual({ success: true, backup: SUMMARY });
	});

	test('the curl loop makes a backup in three steps', async () => {
		const stand = new SteppedApp(3);
		const requests: Request[] = [];
		await using app = await listen(stand.answer, requests);
		const { stdout, stderr, code } = await runLoop(app.url);
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		expect(bodies(requests)).toEqual([FIRST, ticketFor(2), ticketFor(3)]);
		expect(stand.done).toEqual([1, 2, 3]);
		const answers = stdout.trim().split('\n');
		expect(answers).toHaveLength(3);
		expect(JSON.parse(answers[2] ?? '')).toEqual({ success: true, backup: SUMMARY });
	});

	test('the curl loop waits between its steps as the app asks', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'lifeboat-sleep-'));
		try {
			const sleep = join(folder, 'sleep');
			await writeFile(sleep, '#!/bin/sh\necho "$@" >> "$(dirname "$0")/pauses"\n', { mode: 0o755 });
			await using app = await listen(new SteppedApp(3, {}, 720).answer);
			expect((await runLoop(app.url, { PATH: `${folder}:${runnerPath()}` })).code).toBe(0);
			expect(await readFile(join(folder, 'pauses'), 'utf8')).toBe('720\n720\n');
		} finally {
			rmSync(folder, { recursive: true });
		}
	});

	test('the curl loop sends the API key if there is one', async () => {
		const requests: Request[] = [];
		await using app = await listen(json(201, { success: true, backup: SUMMARY }), requests);
		const BACKUP_API_KEY = 'k'.repeat(32);
		for (const more of [{ BACKUP_API_KEY }, {}] as Record<string, string>[])
			expect((await runLoop(app.url, more)).code).toBe(0);
		expect(requests.map(({ headers }) => headers['x-api-key'])).toEqual([
			BACKUP_API_KEY,
			undefined,
		]);
	});

	test('the curl loop ends when a call fails, and shows the error', async () => {
		const refused = { answer: json(403, refusal('ticket_expired')) };
		await using app = await listen(new SteppedApp(3, { 2: refused }).answer);
		const { stderr, code } = await runLoop(app.url);
		expect(code).toBe(1);
		expect(stderr).toContain('"code":"ticket_expired"');
	});

	test('npm run backup takes its settings from .env', async () => {
		const folder = projectFolder();
		try {
			await using app = await listen(new SteppedApp(3).answer);
			await writeFile(join(folder, '.env'), `TOTP_SECRET="${SECRET}"\nBACKUP_URL=${app.url}\n`);
			const { PATH, HOME } = process.env;
			const run = await end('npm', ['run', '--silent', 'backup'], { PATH, HOME }, folder);
			expect(run).toMatchObject({ code: 0, stderr: '' });
			// Plain text: outside a workflow nothing reads commands or masks values.
			expect(run.stdout).toBe(
				`users: 500 rows, 60.0 kB (60,000 bytes) of SQL\nBackup made: ${SUMMARY.name}\n`,
			);
		} finally {
			removeFolder(folder);
		}
	});

	test.for<[Record<string, string>, string]>([
		[{}, 'set'],
		[{ BACKUP_URL: 'http://app.example.com' }, 'an https origin'],
	])('makes no call without a valid address: %j', async ([settings, told]) => {
		const env = { PATH: runnerPath(), TOTP_SECRET: SECRET, ...settings };
		const { stdout, stderr, code } = await end(process.execPath, [BACKUP], env, tmpdir());
		expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
		expect(stderr).toMatch(new RegExp(`^Backup failed: The address of the app is not ${told}`));
	});
});
