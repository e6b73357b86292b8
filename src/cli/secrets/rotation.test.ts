import { execFile } from 'node:child_process';
import {
	chmodSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnv } from './dotenv.ts';

const SETUP = join(import.meta.dirname, '../commands/setup.ts');
const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');
const OLD = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

let folder = '';
let file = '';
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-rotation-'));
	file = join(folder, '.env');
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});

describe('--rotate', () => {
	test('moves the secret, generates a new one, and leaves every other line alone', async () => {
		const text = EXAMPLE.replace('TOTP_SECRET=', `TOTP_SECRET=${OLD}`);
		writeFileSync(file, text);
		chmodSync(file, 0o644);
		const { exitCode, stderr } = await rotate();
		expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
		const { TOTP_SECRET: secret = '', TOTP_SECRET_PREVIOUS: previous } = values();
		expect(previous).toBe(OLD);
		expect(secret).toMatch(/^[A-Z2-7]{32}$/);
		expect(secret).not.toBe(OLD);
		expect(readFileSync(file, 'utf8')).toBe(
			text
				.replace(`TOTP_SECRET=${OLD}`, `TOTP_SECRET=${secret}`)
				.replace('TOTP_SECRET_PREVIOUS=', `TOTP_SECRET_PREVIOUS=${OLD}`),
		);
		expect(readdirSync(folder)).toEqual(['.env']);
		expect(statSync(file).mode & 0o777).toBe(0o600);
	});

	test.for([
		[`TOTP_SECRET="${OLD}"# mine\r\nA=1\r\n`, `TOTP_SECRET=NEW # mine\r\nA=1\r\n`],
		[`TOTP_SECRET=x\nexport TOTP_SECRET = ${OLD}`, `TOTP_SECRET=x\nexport TOTP_SECRET = NEW\n`],
		[`#TOTP_SECRET=x\nTOTP_SECRET=' ${OLD} '\n`, `#TOTP_SECRET=x\nTOTP_SECRET=NEW\n`],
	] as const)('keeps comments and overridden values in %j', async ([before, after]) => {
		writeFileSync(file, before);
		expect(await rotate()).toMatchObject({ exitCode: 0 });
		const secret = values()['TOTP_SECRET'] ?? '';
		const text = readFileSync(file, 'utf8');
		expect(text.replace(secret, 'NEW')).toBe(`${after}TOTP_SECRET_PREVIOUS=${OLD}\n`);
	});

	test('shows the new secret and what to do next, in order', async () => {
		writeFileSync(file, `TOTP_SECRET=${OLD}\n`);
		const { stdout } = await rotate();
		const uri = `otpauth://totp/Lifeboat:backup?secret=${values()['TOTP_SECRET']}&issuer=Lifeboat&algorithm=SHA1&digits=6&period=30`;
		expect(stdout.split('\n')).toContain(uri);
		expect(stdout).not.toContain(OLD);
		const next = [
			'1. ',
			'npx wrangler pages secret put TOTP_SECRET\n',
			'npx wrangler pages secret put TOTP_SECRET_PREVIOUS\n',
			'npx wrangler pages deploy',
			'2. ',
			'gh secret set TOTP_SECRET --env lifeboat\n',
			'3. ',
			'X-Backup-Warning',
			'4. ',
			'5. ',
			'npx wrangler pages secret delete TOTP_SECRET_PREVIOUS\n',
			'BACKUP_MAC_KEY',
			'6. ',
			'npx wrangler pages deployment delete',
		];
		const places = next.reduce<number[]>(
			(found, words) => [
				...found,
				stdout.indexOf(words, (found.at(-1) ?? stdout.indexOf(uri)) + 1),
			],
			[],
		);
		expect(places).not.toContain(-1);
	});

	test('refuses during a rotation, and changes nothing', async () => {
		const text = `TOTP_SECRET=${OLD}\nTOTP_SECRET_PREVIOUS=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n`;
		writeFileSync(file, text);
		for (const more of [[], ['--leaked']]) {
			const { exitCode, stdout, stderr } = await rotate(...more);
			expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
			expect(stderr).toMatch(/a rotation is not finished.*clear TOTP_SECRET_PREVIOUS/s);
			expect(readFileSync(file, 'utf8')).toBe(text);
		}
	});

	test.for([
		['no secret', 'TOTP_SECRET=\n'],
		['a bad one', 'TOTP_SECRET=deadbeef01\n'],
	] as const)('refuses with %s, and changes nothing', async ([, text]) => {
		writeFileSync(file, text);
		const { exitCode, stderr } = await rotate();
		expect(exitCode).toBe(1);
		expect(stderr).toMatch(/^.*TOTP.*`npm run setup`.*\n$/);
		expect(readFileSync(file, 'utf8')).toBe(text);
	});

	test('refuses without a .env', async () => {
		expect(await rotate()).toMatchObject({ exitCode: 1 });
		expect(existsSync(file)).toBe(false);
	});

	test('cannot be combined with another option', async () => {
		writeFileSync(file, `TOTP_SECRET=${OLD}\n`);
		const { exitCode, stderr } = await rotate('--encrypt');
		expect(exitCode).toBe(1);
		expect(stderr).toContain('--rotate');
		expect(values()['TOTP_SECRET']).toBe(OLD);
	});
});

describe('--rotate --leaked', () => {
	test('does not keep the old secret, and says what that means', async () => {
		writeFileSync(file, `A=1\nTOTP_SECRET=${OLD}\nTOTP_SECRET_PREVIOUS=\n`);
		const { exitCode, stdout } = await rotate('--leaked');
		expect(exitCode).toBe(0);
		const text = readFileSync(file, 'utf8');
		expect(text).toBe(`A=1\nTOTP_SECRET=${values()['TOTP_SECRET']}\nTOTP_SECRET_PREVIOUS=\n`);
		expect(text + stdout).not.toContain(OLD);
		expect(stdout).not.toContain('secret put TOTP_SECRET_PREVIOUS');
		expect(stdout).toContain('--unsigned');
	});

	test('needs --rotate', async () => {
		const { exitCode, stderr } = await setup('--leaked');
		expect({ exitCode, stderr }).toMatchObject({
			exitCode: 1,
			stderr: '--leaked needs --rotate or --rotate-mac-key.\n',
		});
		expect(existsSync(file)).toBe(false);
	});
});

const rotate = (...args: string[]) => setup('--rotate', ...args);

function setup(...args: string[]): Promise<{ exitCode: unknown; stdout: string; stderr: string }> {
	return new Promise((resolve) => {
		const options = { cwd: folder, env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } };
		execFile(process.execPath, [SETUP, ...args], options, (error, stdout, stderr) => {
			resolve({ exitCode: error ? error.code : 0, stdout, stderr });
		});
	});
}

function values(): Record<string, string> {
	return parseEnv(readFileSync(file, 'utf8'));
}
