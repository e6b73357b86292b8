import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv as parseLikeNode } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atTerminal } from '../../../tests/terminal.ts';
import { parseEnv } from '../secrets/dotenv.ts';
import { run } from '../terminal/run.ts';

const SECRETS = join(import.meta.dirname, 'secrets.ts');
const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');

let folder: string;
const { PATH, NODE_COMPILE_CACHE } = process.env;
const env = { PATH, NODE_COMPILE_CACHE };
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'lifeboat-secrets-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Prints what a place needs of these settings. */
function secrets(place: string, text: string): Promise<string> {
	writeFileSync(join(folder, '.env'), text);
	const { signal } = new AbortController();
	return run(process.execPath, [SECRETS, place], { cwd: folder, env, signal });
}

test('Cloudflare gets every setting of the app that has a value, and nothing else', async () => {
	const all = Object.keys(parseEnv(EXAMPLE)).map((name) => `${name}=of ${name}`);
	const text = `${all.join('\n')}\nAUTH_SECRET=\nGITHUB_ID=' '\nCLOUDFLARE_API_TOKEN=of mine\n`;
	const printed = JSON.parse(await secrets('cloudflare', text)) as Record<string, string>;
	const local = ['AGE_IDENTITY_FILE', 'BACKUP_URL', 'AUTH_SECRET', 'GITHUB_ID'];
	const isLocal = (name: string) => local.includes(name) || name.startsWith('AWS_');
	const names = Object.keys(parseEnv(EXAMPLE)).filter((name) => !isLocal(name));
	expect(printed).toEqual(Object.fromEntries(names.map((name) => [name, `of ${name}`])));
});

test('GitHub gets what calls the app and verifies its backups, as it stands', async () => {
	const own = { TOTP_SECRET: 'gezd gnbv', BACKUP_MAC_KEY: '$HOME"\\n=/+', BACKUP_API_KEY: 'k' };
	const lines = Object.entries(own).map(([name, value]) => `${name}=${value}`);
	const text = `AUTH_SECRET=x\n${lines.join('\n')}\nTOTP_SECRET_PREVIOUS=\nBACKUP_AGE_RECIPIENTS=y\n`;
	expect(parseLikeNode(await secrets('github', text))).toEqual(own);
});

test.for([
	['github', "BACKUP_MAC_KEY=it's", 'BACKUP_MAC_KEY has a quote'],
	['gitlab', 'TOTP_SECRET=x', 'cloudflare or github'],
] as const)('%s with %s is refused', async ([place, text, told]) => {
	await expect(secrets(place, text)).rejects.toThrow(told);
});

test('prints nothing on a terminal', async () => {
	writeFileSync(join(folder, '.env'), 'TOTP_SECRET=hidden\n');
	const command = `'${process.execPath}' '${SECRETS}' github`;
	const { exitCode, screen } = await atTerminal(command, { cwd: folder, env }, []);
	expect([exitCode, screen]).toEqual([1, expect.not.stringContaining('hidden')]);
});
