import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MAX_WRONG } from '../../src/lib/server/access/lockout.ts';
import { TOTP } from '../../src/lib/totp.js';
import { type Command, operate, projectFolder, removeFolder } from '../operator.ts';
import { runBackup, SECRET } from '../workflows/backup-run.ts';
import { runDrill } from '../workflows/drill-run.ts';
import { App } from './app.ts';
import { forgetCodes } from './bucket.ts';

// Strangers have locked out the six digits of an app without an API key: nothing else may notice.
// tests/properties/year.test.ts has GitHub's tokens, and a whole year.

let app: App;
let project: string;

beforeAll(async () => {
	[app, project] = [new App(), projectFolder()];
	await app.start({ TOTP_SECRET: SECRET });
	for (let i = 1; i <= MAX_WRONG; i++) await listWith('000000', `198.51.100.${i}`);
	expect(await command('backup')).toMatchObject({ code: 0 });
});
beforeEach(() => forgetCodes(app.folder));
afterAll(async () => {
	await app?.stop();
	removeFolder(project);
});

/** Asks for the list with this code; returns the status and the code of the error. */
async function listWith(code: string, address: string): Promise<unknown[]> {
	const headers = { Authorization: `Bearer ${code}`, 'CF-Connecting-IP': address };
	const response = await fetch(`${app.url}/api/backup`, { headers });
	return [response.status, ((await response.json()) as { code?: string }).code];
}

/** Runs a command of `npm run` for this app. */
function command(name: Command, ...args: string[]) {
	return operate(project, name, args, { env: { TOTP_SECRET: SECRET, BACKUP_URL: app.url } });
}

test("a phone's six digits are locked out, wherever they come from", async () => {
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
	expect(await listWith(code, '192.0.2.1')).toEqual([429, 'access_locked']);
});

test.for([
	['backup'],
	['restore', 'latest', '--to', 'restored.db'],
	['drill', 'latest', '--record'],
	['journal'],
	['prune', '--apply'],
	['check'],
	['copy', '--to', 'copies'],
] as const)('npm run %s gets through', async ([name, ...args]) => {
	expect(await command(name, ...args)).toMatchObject({ code: 0 });
});

test('both workflows get through', async () => {
	expect(await runBackup(app.url)).toMatchObject({ exitCode: 0, errors: [] });
	forgetCodes(app.folder);
	const drilled = await runDrill(app.url);
	expect(drilled).toMatchObject({ exitCode: 0, errors: [] });
	expect(drilled.commands.at(-1)).toContain('not encrypted');
});

test('curl gets through with the headers of genTotp.js', async () => {
	const call = `node genTotp.js --headers | curl -sS -X POST -H @- "$APP/api/backup"`;
	const env = { ...process.env, TOTP_SECRET: SECRET, APP: app.url };
	const { stdout } = await promisify(execFile)('sh', ['-c', call], { cwd: project, env });
	expect(JSON.parse(stdout)).toMatchObject({ success: true });
});

test('npm run unlock lifts the lockout, and six digits pass again', async () => {
	const { code, stdout } = await command('unlock');
	expect([code, stdout]).toEqual([
		0,
		expect.stringMatching(
			/^Lifted: six digits were locked out until 20.*Z\. 15 wrong codes forgotten\.\n$/,
		),
	]);
	const digits = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
	expect(await listWith(digits, '192.0.2.1')).toEqual([200, undefined]);
	const log = await command('journal', '--limit', '5');
	expect(log.stdout).toMatch(/ {2}lift_lock +done .* code 127\.0\.0\.1/);

	await forgetCodes(app.folder);
	const again = await command('unlock', '--json');
	expect(JSON.parse(again.stdout)).toEqual({ lifted: { wrong: 0, lockedUntil: null } });
});
