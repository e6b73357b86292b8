import { execFile, execFileSync } from 'node:child_process';
import {
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
import { atTerminal } from '../../../tests/terminal.ts';
import { parseEnv } from './dotenv.ts';

// How `npm run setup` turns encryption on.

const SETUP = join(import.meta.dirname, '../commands/setup.ts');
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'; // RFC 6238, Appendix B

let folder: string;
let file: string;
/** The folder for identities, and this project's identity. */
let config: string;
let identity: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-encryption-'));
	file = join(folder, '.env');
	config = join(folder, 'config');
	identity = join(config, 'lifeboat', 'my-app.agekey');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('by default makes an identity, and encrypts for it only once a copy is stored', async () => {
	for (const args of [[], [], ['--identity-copied']]) {
		const { exitCode, stderr } = await setup(...args);
		const isCopied = args.length > 0;
		expect([exitCode, values()['BACKUP_AGE_RECIPIENTS']]).toEqual(
			isCopied ? [0, publicKey()] : [1, ''],
		);
		expect(stderr.includes('npm run setup -- --identity-copied')).toBe(!isCopied);
		expect(stderr.includes(identity)).toBe(!isCopied);
	}
});

test('does not believe in a copy of an identity that it has just made', async () => {
	const { exitCode, stderr } = await setup('--identity-copied');
	expect([exitCode, values()['BACKUP_AGE_RECIPIENTS']]).toEqual([1, '']);
	expect(stderr).toContain('Backups are not encrypted yet');
});

describe('on a terminal', () => {
	const COPY = 'The last 6 characters of the copy';
	const SKIPPED = [
		['address', ''],
		['administrators', ''],
		['alerts', ''],
		['monitor', ''],
	] as const;

	test('encrypts once the person shows the end of their copy', async () => {
		await setup(); // so that the test knows the identity
		const end = readFileSync(identity, 'utf8').trim().slice(-6);
		const typed = [...SKIPPED, [COPY, 'QQQQQQ'], [COPY, end.toLowerCase()]] as const;
		const { exitCode, screen } = await atTerminal(COMMAND, { cwd: folder, env: ENV() }, typed);
		expect(screen).toContain('The identity ends with others.');
		expect(screen).not.toContain(end);
		expect([exitCode, values()['BACKUP_AGE_RECIPIENTS']]).toEqual([0, publicKey()]);
	});

	test('encrypts nothing for a person who has no copy yet', async () => {
		const typed = [...SKIPPED, [COPY, '']] as const;
		const { exitCode, screen } = await atTerminal(COMMAND, { cwd: folder, env: ENV() }, typed);
		expect([exitCode, values()['BACKUP_AGE_RECIPIENTS']]).toEqual([1, '']);
		expect(screen).toContain('npm run setup -- --identity-copied');
	});
});

test('leaves encryption alone where backups are encrypted for an identity elsewhere', async () => {
	const [, recipient = ''] = /public key: (\S+)/.exec(newIdentity()) ?? [];
	const text = `AUTH_SECRET=x\nTOTP_SECRET=${SECRET}\nBACKUP_AGE_RECIPIENTS=${recipient}\n`;
	writeFileSync(file, text);
	expect(await setup()).toMatchObject({ exitCode: 0, stderr: '' });
	expect(readFileSync(file, 'utf8')).toBe(text);
	expect(existsSync(config)).toBe(false);
});

test('makes an identity outside the project that only the owner can read', async () => {
	const { exitCode, stdout, stderr } = await encryptWithCopy();
	expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
	expect(mode(identity)).toBe(0o600);
	expect(mode(join(config, 'lifeboat'))).toBe(0o700);
	expect(readFileSync(identity, 'utf8')).toMatch(
		/^# created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n# public key: (age1\w{58})\nAGE-SECRET-KEY-1[A-Z0-9]{58}\n$/,
	);
	const { BACKUP_AGE_RECIPIENTS, AGE_IDENTITY_FILE } = values();
	expect(BACKUP_AGE_RECIPIENTS).toBe(publicKey());
	expect(AGE_IDENTITY_FILE).toBe(identity);
	expect(values()['TOTP_SECRET']).toMatch(/^[A-Z2-7]{32}$/);

	expect(stdout).toContain(identity);
	expect(stdout).toContain(publicKey());
	expect(stdout).toContain(`gh secret set AGE_IDENTITY --env lifeboat < ${identity}`);
	expect(stdout + readFileSync(file, 'utf8')).not.toContain('AGE-SECRET-KEY');
});

test('age decrypts a file for its public key with the identity file', async () => {
	await encryptWithCopy();
	const { BACKUP_AGE_RECIPIENTS: recipient = '' } = values();
	const encrypted = execFileSync('age', ['-r', recipient], { input: 'SELECT 1;' });
	const opened = execFileSync('age', ['-d', '-i', identity], { input: encrypted });
	expect(opened.toString()).toBe('SELECT 1;');
});

test('changes nothing when run again', async () => {
	await encryptWithCopy();
	const before = [file, identity].map((path) => readFileSync(path, 'utf8'));
	const { exitCode, stdout } = await encryptWithCopy();
	expect(exitCode).toBe(0);
	expect([file, identity].map((path) => readFileSync(path, 'utf8'))).toEqual(before);
	expect(stdout).toContain(`opened by the identity in\n  ${identity}`);
});

test('adds what is missing to .env, and uses an existing identity', async () => {
	const own = newIdentity();
	identity = join(folder, 'own.agekey');
	writeFileSync(identity, own);
	const lines = `AUTH_SECRET=x\nTOTP_SECRET=${SECRET}\nAGE_IDENTITY_FILE=${identity}\n`;
	writeFileSync(file, lines);
	expect(await encryptWithCopy()).toMatchObject({ exitCode: 0 });
	expect(readFileSync(file, 'utf8')).toBe(`${lines}BACKUP_AGE_RECIPIENTS=${publicKey()}\n`);
	expect(readFileSync(identity, 'utf8')).toBe(own);
	expect(existsSync(config)).toBe(false);
});

test('makes a post-quantum identity on request, but never replaces one of the other kind', async () => {
	await encryptWithCopy('--post-quantum');
	expect(values()['BACKUP_AGE_RECIPIENTS']).toMatch(/^age1pq1\w+$/);
	expect(readFileSync(identity, 'utf8')).toMatch(/^AGE-SECRET-KEY-PQ-1/m);

	rmSync(identity);
	rmSync(file);
	await encryptWithCopy();
	const before = readFileSync(identity, 'utf8');
	const { exitCode, stderr } = await encryptWithCopy('--post-quantum');
	expect([exitCode, stderr]).toEqual([
		1,
		expect.stringContaining('is not a post-quantum identity'),
	]);
	expect(readFileSync(identity, 'utf8')).toBe(before);
});

test.for([
	['is a secret key', `AGE-SECRET-KEY-1${'Q'.repeat(58)}`, 'is a secret key'],
	['is no key', 'age1xyz', 'is not an age public key'],
	['is that of an identity elsewhere', 'RECIPIENT', 'has no identity that opens'],
] as const)('refuses recipients if one of them %s, and changes nothing', async ([, key, told]) => {
	const [, recipient = ''] = /public key: (\S+)/.exec(newIdentity()) ?? [];
	const text = `BACKUP_AGE_RECIPIENTS=${key.replace('RECIPIENT', recipient)}\n`;
	writeFileSync(file, text);
	const { exitCode, stderr, stdout } = await encryptWithCopy();
	expect([exitCode, stdout, stderr]).toEqual([1, '', expect.stringContaining(told)]);
	expect(stderr).not.toContain('AGE-SECRET-KEY-1Q');
	expect(readFileSync(file, 'utf8')).toBe(text);
	expect(readdirSync(folder)).toEqual(['.env']);
});

interface Result {
	exitCode: number | string | null | undefined;
	stdout: string;
	stderr: string;
}

const COMMAND = `'${process.execPath}' '${SETUP}'`;
const ENV = () => {
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	return { PATH, NODE_COMPILE_CACHE, XDG_CONFIG_HOME: config, npm_package_name: 'my/app' };
};

/** As a script does it: makes the identity, which it could then copy, and claims a copy. */
async function encryptWithCopy(...args: string[]): Promise<Result> {
	const first = await setup('--encrypt', ...args);
	if (!first.stderr.includes('--identity-copied')) return first;
	return setup('--encrypt', '--identity-copied', ...args);
}

function setup(...args: string[]): Promise<Result> {
	return new Promise((resolve) => {
		const options = { cwd: folder, env: ENV() };
		execFile(process.execPath, [SETUP, ...args], options, (error, stdout, stderr) =>
			resolve({ exitCode: error ? error.code : 0, stdout, stderr }),
		);
	});
}

function values(): Record<string, string> {
	return parseEnv(readFileSync(file, 'utf8'));
}

function mode(path: string): number {
	return statSync(path).mode & 0o777;
}

/** The identity's public key, derived by Debian's age-keygen. */
function publicKey(): string {
	return execFileSync('age-keygen', ['-y', identity], { encoding: 'utf8' }).trim();
}

/** An identity made by Debian's age-keygen. */
function newIdentity(): string {
	return execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
