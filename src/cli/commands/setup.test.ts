import { execFile, execFileSync } from 'node:child_process';
import {
	chmodSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readQrCode } from '../../../tests/qr-code.ts';
import { parseEnv } from '../secrets/dotenv.ts';

const ROOT = join(import.meta.dirname, '../../..');
const EXAMPLE = readFileSync(join(ROOT, '.env.example'), 'utf8');
/** What a new installation gets: daily for a week, weekly for a month, monthly for a year. */
const POLICY = { BACKUP_KEEP_DAILY: '7', BACKUP_KEEP_WEEKLY: '4', BACKUP_KEEP_MONTHLY: '12' };
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'; // RFC 6238, Appendix B

let folder = '';
let file = '';
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-setup-'));
	file = join(folder, '.env');
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});

describe('without a .env', () => {
	test('writes the example with three new secrets and a policy, readable only by the owner', async () => {
		const { exitCode, stdout, stderr } = await setup();
		expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
		expect(readdirSync(folder)).toEqual(['.env']);
		expect(mode(file)).toBe(0o600);

		const text = readFileSync(file, 'utf8');
		const { TOTP_SECRET = '', AUTH_SECRET = '', BACKUP_MAC_KEY = '' } = parseEnv(text);
		expect(TOTP_SECRET).toMatch(/^[A-Z2-7]{32}$/);
		expect(Buffer.from(AUTH_SECRET, 'base64')).toHaveLength(32);
		expect(Buffer.from(BACKUP_MAC_KEY, 'base64')).toHaveLength(32);
		const secrets = [TOTP_SECRET, AUTH_SECRET, BACKUP_MAC_KEY];
		const rest = secrets.reduce((rest, secret) => rest.replace(secret, ''), text);
		expect(rest.replaceAll(/(?<=^BACKUP_KEEP_\w+=)\d+$/gm, '')).toBe(EXAMPLE);
		const written = Object.entries(parseEnv(rest)).filter(([, value]) => value);
		expect(Object.fromEntries(written)).toEqual(POLICY);
		expect(stdout).toMatch(/BACKUP_KEEP_DAILY +made/);
		expect(stdout).toContain('BACKUP_KEEP_DAILY=7, _WEEKLY=4 and _MONTHLY=12');
		expect(stdout).toMatch(/TOTP_SECRET +made/);
		expect(stdout).toMatch(/AUTH_SECRET +made/);
		expect(stdout).not.toContain(AUTH_SECRET);
		expect(stdout).not.toContain(BACKUP_MAC_KEY);
	});

	test('makes new secrets each time', async () => {
		await setup();
		const first = values();
		rmSync(file);
		await setup();
		expect(values()['TOTP_SECRET']).not.toBe(first['TOTP_SECRET']);
		expect(values()['AUTH_SECRET']).not.toBe(first['AUTH_SECRET']);
	});

	test('the phone, genTotp.js and oathtool all get the same secret', async () => {
		const { stdout } = await setup();
		const secret = values()['TOTP_SECRET'] ?? '';
		const uri = `otpauth://totp/Lifeboat:backup?secret=${secret}&issuer=Lifeboat&algorithm=SHA1&digits=6&period=30`;
		expect(stdout.split('\n')).toContain(uri);
		expect(readQrCode(stdout)).toBe(uri);

		const before = oathtool(secret);
		const code = await run(join(ROOT, 'genTotp.js'));
		expect([before, oathtool(secret)]).toContain(code.stdout);
	});

	test('says what to do next', async () => {
		const { stdout } = await setup();
		expect(stdout).toContain('secrets -- cloudflare | npx wrangler pages secret bulk');
		expect(stdout).toContain('secrets -- github | gh secret set --env lifeboat -f -');
		expect(stdout).toMatch(/r2 bucket lock add \S+ \S+ full_backup_ --retention-days 97$/m);
		expect(stdout).toMatch(/r2 bucket lock add \S+ \S+ incremental_backup_ --retention-days 90$/m);
	});
});

describe('with a .env', () => {
	test('fills in empty values and keeps everything else', async () => {
		writeFileSync(file, `# mine\nAUTH_SECRET="old one"\n\nTOTP_SECRET= # soon\nOTHER=1`);
		chmodSync(file, 0o644);
		const { exitCode, stdout } = await setup();
		expect(exitCode).toBe(0);
		const secret = values()['TOTP_SECRET'];
		expect(secret).toMatch(/^[A-Z2-7]{32}$/);
		const policy = Object.entries(POLICY).map((pair) => `${pair.join('=')}\n`);
		expect(readFileSync(file, 'utf8')).toBe(
			`# mine\nAUTH_SECRET="old one"\n\nTOTP_SECRET= ${secret} # soon\nOTHER=1\nBACKUP_MAC_KEY=${values()['BACKUP_MAC_KEY']}\n${policy.join('')}`,
		);
		expect(mode(file)).toBe(0o600);
		expect(stdout).toMatch(/TOTP_SECRET +made/);
		expect(stdout).toMatch(/AUTH_SECRET +kept/);
		expect(stdout).not.toContain('old one');
	});

	test('leaves a complete one as it is, and shows its secret again', async () => {
		const text = `AUTH_SECRET=x\r\n TOTP_SECRET = 'gezd gnbv-gy3t qojq gezd gnbv gy3t qojq'\r\n`;
		writeFileSync(file, text);
		utimesSync(file, 1, 1);
		const { exitCode, stdout } = await setup();
		expect(exitCode).toBe(0);
		expect(readFileSync(file, 'utf8')).toBe(text);
		expect(statSync(file).mtimeMs).toBe(1000);
		expect(stdout).toMatch(/TOTP_SECRET +kept/);
		expect(readQrCode(stdout)).toContain(`?secret=${SECRET}&`);
	});

	test.for<[string, string]>([
		['has rules of its own', 'BACKUP_KEEP_LAST=30\n'],
		['is an older one', `TOTP_SECRET=${SECRET}\nAUTH_SECRET=x\n`],
	] as const)('writes no policy where it %s', async ([, text]) => {
		writeFileSync(file, text);
		const { exitCode, stdout } = await setup();
		expect(exitCode).toBe(0);
		expect(values()).not.toHaveProperty('BACKUP_KEEP_DAILY');
		expect(stdout).not.toContain('BACKUP_KEEP');
	});

	test('refuses a rule that is not valid and changes nothing', async () => {
		writeFileSync(file, 'BACKUP_KEEP_DAILY=seven\n');
		const { exitCode, stderr } = await setup();
		expect([exitCode, stderr]).toEqual([1, expect.stringContaining('BACKUP_KEEP_DAILY')]);
		expect(readFileSync(file, 'utf8')).toBe('BACKUP_KEEP_DAILY=seven\n');
	});

	test.for([
		['hexadecimal', '3132333435363738393031323334353637383930', /hexadecimal/],
		['too short', 'JBSWY3DPEHPK3PXP', /too short/],
		['not base32', 'correct-horse-battery-staple!', /character/],
	] as const)('refuses a secret that is %s and changes nothing', async ([, secret, mistake]) => {
		const text = `TOTP_SECRET=${secret}\nAUTH_SECRET=\n`;
		writeFileSync(file, text);
		const { exitCode, stdout, stderr } = await setup();
		expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
		expect(stderr).toMatch(mistake);
		expect(stderr).toMatch(/^[^\n]*TOTP_SECRET in \.env[^\n]*`npm run setup`[^\n]*\n$/);
		expect(readFileSync(file, 'utf8')).toBe(text);
		expect(readdirSync(folder)).toEqual(['.env']);
	});
});

test('with --no-encrypt nothing is encrypted, and no identity is made', async () => {
	await setup();
	expect(readdirSync(folder)).toEqual(['.env']);
	expect(values()).toMatchObject({ BACKUP_AGE_RECIPIENTS: '', AGE_IDENTITY_FILE: '' });
});

test('--help explains and writes nothing', async () => {
	const { exitCode, stdout } = await setup('--help');
	expect(exitCode).toBe(0);
	expect(stdout).toContain('npm run setup');
	expect(existsSync(file)).toBe(false);
});

test.for(['--force', '--no-encrypt --post-quantum'])(
	'%s is refused before anything is written',
	async (option) => {
		const { exitCode, stderr } = await setup(...option.split(' '));
		expect(exitCode).toBe(1);
		expect(stderr).toContain(option.split(' ').at(-1));
		expect(existsSync(file)).toBe(false);
	},
);

interface Result {
	exitCode: number | string | null | undefined;
	stdout: string;
	stderr: string;
}

/** Without encryption, which encryption.test.ts is about. */
function setup(...args: string[]): Promise<Result> {
	return run(join(ROOT, 'src/cli/commands/setup.ts'), '--no-encrypt', ...args);
}

/** Runs a program in the test's folder. */
function run(program: string, ...args: string[]): Promise<Result> {
	return new Promise((resolve) => {
		execFile(
			process.execPath,
			[program, ...args],
			{ cwd: folder, env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } },
			(error, stdout, stderr) => resolve({ exitCode: error ? error.code : 0, stdout, stderr }),
		);
	});
}

function values(): Record<string, string> {
	return parseEnv(readFileSync(file, 'utf8'));
}

function mode(path: string): number {
	return statSync(path).mode & 0o777;
}

/** What Debian's oathtool prints now. */
function oathtool(secret: string): string {
	try {
		return execFileSync('oathtool', ['--totp', '--base32', secret], { encoding: 'utf8' });
	} catch (cause) {
		throw new Error('This test needs a working oathtool: apt install oathtool', { cause });
	}
}
