import fc from 'fast-check';
import { execFile, execFileSync } from 'node:child_process';
import {
	copyFileSync,
	existsSync,
	globSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnv } from '../src/cli/secrets/dotenv.ts';
import { counted, SEED } from './counts.ts';

const ROOT = join(import.meta.dirname, '..');
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'; // RFC 6238, Appendix B
/** The long code of SECRET at 59 seconds, as docs/api.md says. */
const LONG = 'CK1hu01IvaUIKntSjklQm9XlrTwa_Moq';
const KEY = 'k'.repeat(32);
const FORMS = [
	['plain', `TOTP_SECRET=${SECRET}\n`],
	['without a line end', `TOTP_SECRET=${SECRET}`],
	['in double quotes', `TOTP_SECRET="${SECRET}"\n`],
	['in single quotes', `TOTP_SECRET='${SECRET}'\n`],
	['spaced, with a comment', `  TOTP_SECRET = ${SECRET}  # base32\n`],
	['exported', `export TOTP_SECRET=${SECRET}\n`],
	['after a byte order mark', `\uFEFFTOTP_SECRET=${SECRET}\n`],
	['after an empty value and a space', `A= \nTOTP_SECRET=${SECRET}\n`],
	['with CR LF', `A=1\r\nTOTP_SECRET=${SECRET}\r\nB=2\r\n`],
	[
		'among others',
		`# TOTP_SECRET=X\nMY_TOTP_SECRET=X\nTOTP_SECRET_PREVIOUS=X\nTOTP_SECRET=${SECRET}\nB=2`,
	],
	['twice, of which the last counts', `TOTP_SECRET=X\nTOTP_SECRET=${SECRET}\n`],
] as const;

let folder = '';
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-totp-'));
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});

test('oathtool and genTotp.js agree at random times', async () => {
	const secrets = fc.string({
		unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'),
		minLength: 32,
		maxLength: 32,
	});
	const times = fc.integer({ min: 0, max: 2 ** 33 });
	await fc.assert(
		fc.asyncProperty(secrets, times, async (secret, seconds) => {
			const { stdout } = await genTotp({ secret, seconds });
			expect(stdout).toBe(oathtool(secret, seconds));
		}),
		{ numRuns: counted(50), seed: SEED },
	);
});

test('the code is the current one', async () => {
	const before = oathtool(SECRET);
	const { stdout } = await genTotp({ secret: SECRET });
	expect([before, oathtool(SECRET)]).toContain(stdout);
});

test.for(everyNode())('%s runs it with nothing installed', async (node) => {
	const program = join(folder, 'genTotp.js');
	mkdirSync(join(folder, 'src/lib'), { recursive: true });
	for (const file of ['package.json', 'genTotp.js', 'src/lib/totp.js']) {
		copyFileSync(join(ROOT, file), join(folder, file));
	}
	writeFileSync(join(folder, '.env'), `TOTP_SECRET=${SECRET}\n`);
	const before = oathtool(SECRET);
	const result = await genTotp({ node, program });
	expect(result).toMatchObject({ exitCode: 0, stderr: '' });
	expect([before, oathtool(SECRET)]).toContain(result.stdout);
	const long = await genTotp({ node, program, args: ['--long'], seconds: 59 });
	expect(long).toEqual({ exitCode: 0, stdout: `${LONG}\n`, stderr: '' });
});

test.for(FORMS)('genTotp.js and setup find the secret in .env: %s', async ([, text]) => {
	writeFileSync(join(folder, '.env'), text);
	expect(parseEnv(text)['TOTP_SECRET']).toBe(SECRET);
	expect(await genTotp({ seconds: 59 })).toEqual({ exitCode: 0, stdout: '287082\n', stderr: '' });
});

test('the environment takes precedence over .env, unless it is empty', async () => {
	writeFileSync(join(folder, '.env'), `TOTP_SECRET=${'A'.repeat(32)}\n`);
	expect((await genTotp({ secret: SECRET, seconds: 59 })).stdout).toBe('287082\n');
	expect((await genTotp({ secret: '', seconds: 59 })).stdout).toBe(oathtool('A'.repeat(32), 59));
});

test.for([
	['hexadecimal', '3132333435363738393031323334353637383930', /hexadecimal/],
	['too short', 'JBSWY3DPEHPK3PXP', /too short/],
	['not base32', 'correct-horse-battery-staple!', /character/],
	['cut off', SECRET.slice(0, 27), /length/],
	['empty', '', /not set/],
] as const)(
	'a secret that is %s ends with exit code 1 and one helpful line',
	async ([, secret, mistake]) => {
		const fromEnvironment = await genTotp({ secret });
		writeFileSync(join(folder, '.env'), `TOTP_SECRET=${secret}\nAUTH_SECRET=${SECRET}\n`);
		const fromFile = await genTotp({});
		expect(fromFile).toEqual(fromEnvironment);
		expect(fromFile).toMatchObject({ exitCode: 1, stdout: '' });
		expect(fromFile.stderr).toMatch(mistake);
		expect(fromFile.stderr).toMatch(/^[^\n]*`npm run setup`[^\n]*\n$/);
	},
);

test('a missing secret ends with exit code 1 and one helpful line', async () => {
	const result = await genTotp({});
	expect(result).toMatchObject({ exitCode: 1, stdout: '' });
	expect(result.stderr).toMatch(/^TOTP_SECRET is not set\.[^\n]*`npm run setup`[^\n]*\n$/);
});

describe('--headers', () => {
	const headers = (call: Call = {}) =>
		genTotp({ secret: SECRET, seconds: 59, args: ['--headers'], ...call });
	const AUTHORIZATION = `Authorization: Bearer ${LONG}\n`;
	const BOTH = { exitCode: 0, stdout: `${AUTHORIZATION}X-API-Key: ${KEY}\n`, stderr: '' };

	test('prints the line with the long code', async () => {
		expect(await headers()).toEqual({ exitCode: 0, stdout: AUTHORIZATION, stderr: '' });
	});

	test('prints the API key too if there is one, from where the secret comes from', async () => {
		expect(await headers({ key: KEY })).toEqual(BOTH);
		expect(await headers({ key: ` ${KEY}\n` })).toEqual(BOTH);
		writeFileSync(join(folder, '.env'), `BACKUP_API_KEY=${KEY}\n`);
		expect(await headers()).toEqual(BOTH);
		expect(await headers({ key: '' })).toEqual(BOTH);
		expect((await headers({ key: 'other' })).stdout).toBe(`${AUTHORIZATION}X-API-Key: other\n`);
		writeFileSync(join(folder, '.env'), 'BACKUP_API_KEY=\n');
		expect((await headers()).stdout).toBe(AUTHORIZATION);
	});

	test.for(FORMS)('finds the key in .env: %s', async ([, text]) => {
		const ours = text.replaceAll('TOTP_SECRET', 'BACKUP_API_KEY').replaceAll(SECRET, KEY);
		writeFileSync(join(folder, '.env'), ours);
		expect(await headers()).toEqual(BOTH);
	});

	test.for([`${KEY}\nX: y`, `${KEY}é`, `${KEY}\u001f`])(
		'refuses a key that is no header, and does not show it: %j',
		async (key) => {
			const result = await headers({ key });
			expect(result).toMatchObject({ exitCode: 1, stdout: '' });
			expect(result.stderr).toMatch(/^BACKUP_API_KEY has characters [^\n]*\n$/);
			expect(result.stderr).not.toContain(KEY);
		},
	);
});

test.for([['--lng'], ['-l'], ['long'], ['--long', '--headers'], ['--headers', 'x']])(
	'%j ends with exit code 2 and one line',
	async (args) => {
		const result = await genTotp({ secret: SECRET, args });
		expect(result).toMatchObject({ exitCode: 2, stdout: '' });
		expect(result.stderr).toMatch(/^[^\n]*--long or --headers\.\n$/);
	},
);

test('documents and commands keep secrets off command lines, but for one call with six digits', () => {
	const found = (pattern: RegExp) => pages().flatMap((page) => page.match(pattern) ?? []);
	expect(found(/\$\(node genTotp[^)|]*\)/g)).toEqual(['$(node genTotp.js)']);
	expect(found(/(-H|--header) ["']?X-API-Key/g)).toEqual([]);
	expect(found(/genTotp\.js --headers \|/g).length).toBeGreaterThan(10);
});

/** The texts that show calls: the documents and the commands. */
function pages(): string[] {
	const files = globSync(['README.md', 'docs/*.md', 'src/cli/**/*.ts'], { cwd: ROOT });
	return files
		.filter((file) => !file.endsWith('.test.ts'))
		.map((file) => readFileSync(join(ROOT, file), 'utf8'));
}

interface Call {
	/** TOTP_SECRET in the environment. */
	secret?: string;
	/** BACKUP_API_KEY in the environment. */
	key?: string;
	args?: string[];
	/** The time in seconds since 1970; the current time by default. */
	seconds?: number;
	node?: string;
	program?: string;
}

interface Result {
	exitCode: number | string | null | undefined;
	stdout: string;
	stderr: string;
}

/** Runs `genTotp.js` in the test's folder. */
function genTotp(call: Call): Promise<Result> {
	const {
		secret,
		key,
		seconds,
		node = process.execPath,
		program = join(ROOT, 'genTotp.js'),
	} = call;
	const args = [program, ...(call.args ?? [])];
	if (seconds !== undefined) {
		args.unshift('--import', `data:text/javascript,Date.now=()=>${seconds * 1000}`);
	}
	const env = {
		...(secret !== undefined && { TOTP_SECRET: secret }),
		...(key !== undefined && { BACKUP_API_KEY: key }),
	};
	return new Promise((resolve) => {
		execFile(node, args, { cwd: folder, env }, (error, stdout, stderr) => {
			resolve({ exitCode: error ? error.code : 0, stdout, stderr });
		});
	});
}

/** What Debian's oathtool prints for a time in seconds since 1970, or for now. */
function oathtool(secret: string, seconds?: number): string {
	const args = ['--totp', '--base32', secret];
	if (seconds !== undefined) args.push('--now', `@${seconds}`);
	try {
		return execFileSync('oathtool', args, { encoding: 'utf8' });
	} catch (cause) {
		throw new Error('This test needs a working oathtool: apt install oathtool', { cause });
	}
}

/** The Node that runs this test, and every other on the PATH outside npm. */
function everyNode(): string[] {
	const folders = (process.env['PATH'] ?? '').split(delimiter);
	const found = folders
		.filter((folder) => !folder.includes('node_modules'))
		.map((folder) => join(folder, 'node'))
		.filter((path) => existsSync(path));
	return [...new Set([process.execPath, ...found].map((path) => realpathSync(path)))];
}
