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
import { parseEnv } from '../secrets/env.ts';

const ROOT = join(import.meta.dirname, '../../..');
const EXAMPLE = readFileSync(join(ROOT, '.env.example'), 'utf8');
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
	test('writes the example with two new secrets, readable only by the owner', async () => {
		const { exitCode, stdout, stderr } = await setup();
		expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
		expect(readdirSync(folder)).toEqual(['.env']);
		expect(mode(file)).toBe(0o600);

		const text = readFileSync(file, 'utf8');
		const { TOTP_SECRET = '', AUTH_SECRET = '' } = parseEnv(text);
		expect(TOTP_SECRET).toMatch(/^[A-Z2-7]{32}$/);
		expect(Buffer.from(AUTH_SECRET, 'base64')).toHaveLength(32);
		expect(text.replace(TOTP_SECRET, '').replace(AUTH_SECRET, '')).toBe(EXAMPLE);
		expect(stdout).toMatch(/TOTP_SECRET +made/);
		expect(stdout).toMatch(/AUTH_SECRET +made/);
		expect(stdout).not.toContain(AUTH_SECRET);
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
		expect(stdout).toContain('npx wrangler pages secret put TOTP_SECRET');
		expect(stdout).toContain('gh secret set TOTP_SECRET');
	});
});

describe('with a .env', () => {
	test('fills what is empty and keeps everything else', async () => {
		writeFileSync(file, `# mine\nAUTH_SECRET="old one"\n\nTOTP_SECRET= # soon\nOTHER=1`);
		chmodSync(file, 0o644);
		const { exitCode, stdout } = await setup();
		expect(exitCode).toBe(0);
		const secret = values()['TOTP_SECRET'];
		expect(secret).toMatch(/^[A-Z2-7]{32}$/);
		expect(readFileSync(file, 'utf8')).toBe(
			`# mine\nAUTH_SECRET="old one"\n\nTOTP_SECRET= ${secret} # soon\nOTHER=1`,
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

test('without --encrypt nothing is encrypted', async () => {
	await setup();
	expect(values()).toMatchObject({ BACKUP_AGE_RECIPIENTS: '', AGE_IDENTITY_FILE: '' });
});

test('--help explains and writes nothing', async () => {
	const { exitCode, stdout } = await setup('--help');
	expect(exitCode).toBe(0);
	expect(stdout).toContain('npm run setup');
	expect(existsSync(file)).toBe(false);
});

test.for(['--force', '--post-quantum'])(
	'%s alone is refused before anything is written',
	async (option) => {
		const { exitCode, stderr } = await setup(option);
		expect(exitCode).toBe(1);
		expect(stderr).toContain(option);
		expect(existsSync(file)).toBe(false);
	},
);

interface Result {
	exitCode: number | string | null | undefined;
	stdout: string;
	stderr: string;
}

function setup(...args: string[]): Promise<Result> {
	return run(join(ROOT, 'src/cli/commands/setup.ts'), ...args);
}

/** Runs a program in the test's folder. */
function run(program: string, ...args: string[]): Promise<Result> {
	return new Promise((resolve) => {
		execFile(
			process.execPath,
			[program, ...args],
			{ cwd: folder, env: {} },
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

/**
 * Reads the QR code in a program's output as a camera does, short of correcting errors: version 6
 * with level L and one segment of bytes, which is what a URI of 107 to 134 characters makes
 * (ISO/IEC 18004).
 */
function readQrCode(output: string): string {
	const size = 41;
	const quiet = 4;
	const rows = output
		.split('\n')
		.filter((line) => line.length === size + 2 * quiet && /^[█▀▄ ]+$/.test(line))
		.flatMap((line) => [
			[...line].map((c) => '▄ '.includes(c)),
			[...line].map((c) => '▀ '.includes(c)),
		]);
	const dark = (x: number, y: number) => Number(rows[y + quiet]?.[x + quiet]);

	// The first five bits of the format, unmasked: two for the level, three for the mask.
	const format = [0, 1, 2, 3, 4].reduce((bits, x) => bits * 2 + dark(x, 8), 0) ^ 0b10101;
	expect(format >> 3).toBe(0b01);
	const mask = [
		(x: number, y: number) => (x + y) % 2,
		(_: number, y: number) => y % 2,
		(x: number) => x % 3,
		(x: number, y: number) => (x + y) % 3,
		(x: number, y: number) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
		(x: number, y: number) => ((x * y) % 2) + ((x * y) % 3),
		(x: number, y: number) => (((x * y) % 2) + ((x * y) % 3)) % 2,
		(x: number, y: number) => (((x + y) % 2) + ((x * y) % 3)) % 2,
	][format & 0b111];

	const isFinder = (x: number, y: number) =>
		(x < 9 && y < 9) || (x > size - 9 && y < 9) || (x < 9 && y > size - 9);
	const isAlignment = (x: number, y: number) => Math.max(Math.abs(x - 34), Math.abs(y - 34)) < 3;
	let bits = '';
	for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
		if (right === 6) right--; // the column of the timing pattern
		for (let i = 0; i < size; i++) {
			const y = up ? size - 1 - i : i;
			for (const x of [right, right - 1]) {
				if (y === 6 || isFinder(x, y) || isAlignment(x, y)) continue;
				bits += dark(x, y) ^ Number(mask?.(x, y) === 0);
			}
		}
	}

	// Two blocks of 68 data bytes take turns; error correction follows them.
	const codewords = (bits.match(/.{8}/g) ?? []).slice(0, 136);
	const data = [0, 1].flatMap((block) => codewords.filter((_, i) => i % 2 === block)).join('');
	expect(data.slice(0, 4)).toBe('0100');
	const length = parseInt(data.slice(4, 12), 2);
	const bytes = data.slice(12, 12 + length * 8).match(/.{8}/g) ?? [];
	return bytes.map((byte) => String.fromCharCode(parseInt(byte, 2))).join('');
}
