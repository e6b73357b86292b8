import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../terminal/run.ts';
import { atTerminal } from '../../../tests/terminal.ts';
import { parseEnv } from './dotenv.ts';

// What `npm run setup` asks for, and the options that answer it.

const SETUP = join(import.meta.dirname, '../commands/setup.ts');

let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-answers-'));
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	env = { PATH, NODE_COMPILE_CACHE, XDG_CONFIG_HOME: join(folder, 'config') };
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs it without a terminal. Throws what it printed when it fails. */
function setup(...args: string[]): Promise<string> {
	const { signal } = new AbortController();
	return run(process.execPath, [SETUP, '--no-encrypt', ...args], { cwd: folder, env, signal });
}

const values = () => parseEnv(readFileSync(join(folder, '.env'), 'utf8'));

describe('options', () => {
	test('become settings, and the first origin the address that the commands call', async () => {
		await setup(
			...['--origin', 'https://App.example.com/, https://lifeboat.pages.dev'],
			...['--admins', '17  4'],
			...['--webhook', 'https://hooks.example.com/a', '--monitor', 'https://hc.example.com/b'],
		);
		expect(values()).toMatchObject({
			BACKUP_ORIGIN: 'https://app.example.com https://lifeboat.pages.dev',
			BACKUP_ADMINS: '17 4',
			ALERT_WEBHOOK_URL: 'https://hooks.example.com/a',
			HEALTHCHECK_PING_URL: 'https://hc.example.com/b',
			BACKUP_URL: 'https://app.example.com',
		});
	});

	test.for([
		['--origin', 'app.example.com'],
		['--origin', 'http://app.example.com'],
		['--origin', 'https://app.example.com/backups'],
		['--admins', 'octocat'],
		['--webhook', 'http://hooks.example.com'],
		['--monitor', 'hc'],
	] as const)('%s %s is refused before anything is written', async ([option, value]) => {
		await expect(setup(option, value)).rejects.toThrow(option);
		expect(existsSync(join(folder, '.env'))).toBe(false);
	});

	test('never change a value, and are no obstacle when they repeat it', async () => {
		const text = 'AUTH_SECRET=x\nTOTP_SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nBACKUP_ADMINS=17\n';
		writeFileSync(join(folder, '.env'), text);
		await expect(setup('--admins', '18')).rejects.toThrow(
			'BACKUP_ADMINS in .env has another value',
		);
		await setup('--admins', '17');
		expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(text);
	});
});

test('a terminal is asked for what is missing, again after a wrong answer, and Enter skips', async () => {
	const command = `'${process.execPath}' '${SETUP}' --no-encrypt --admins 17`;
	const { exitCode, screen } = await atTerminal(command, { cwd: folder, env }, [
		['address', 'lifeboat.pages.dev'],
		['is not an https origin', 'https://lifeboat.pages.dev'],
		['alerts', ''],
		['monitor', 'https://hc.example.com/b'],
	]);
	expect([exitCode, screen]).toEqual([0, expect.not.stringContaining('administrators')]);
	expect(values()).toMatchObject({
		BACKUP_ORIGIN: 'https://lifeboat.pages.dev',
		BACKUP_ADMINS: '17',
		ALERT_WEBHOOK_URL: '',
		HEALTHCHECK_PING_URL: 'https://hc.example.com/b',
	});
});
