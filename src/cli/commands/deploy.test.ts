import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { App } from '../../../tests/app/app.ts';
import { forgetCodes } from '../../../tests/app/bucket.ts';
import { operate, projectFolder, removeFolder } from '../../../tests/operator.ts';
import { type Answer, listen, page } from '../../../tests/stand-in.ts';
import { type Accounts, NOTHING } from '../../../tests/workflows/account-state.ts';
import { newTotpSecret } from '../secrets/dotenv.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { run } from '../terminal/run.ts';

// The command as a person runs it, with the built app in place of the deployed one.

const SETUP = join(import.meta.dirname, 'setup.ts');
const ORIGIN = 'https://lifeboat.pages.dev';
const TOTP_SECRET = newTotpSecret();
const BACKUP_MAC_KEY = 'k'.repeat(44);

let app: App;
let folder: string;
let env: NodeJS.ProcessEnv;
beforeAll(() => void (app = new App()));
afterAll(() => app?.stop());
beforeEach(() => {
	folder = projectFolder();
	rmSync(join(folder, 'wrangler.toml'));
	copyFileSync('wrangler.toml', join(folder, 'wrangler.toml')); // the command edits it
	const tools = join(folder, 'tools');
	mkdirSync(tools);
	const ACCOUNTS = join(folder, 'accounts.json');
	const repository = { name: 'lifeboat', secrets: {}, vars: {} };
	writeFileSync(ACCOUNTS, JSON.stringify({ ...NOTHING, signedIn: ['wrangler', 'gh'], repository }));
	const standIn = join(import.meta.dirname, '../../../tests/workflows/accounts.ts');
	const act = (tool: string) =>
		`ACCOUNTS='${ACCOUNTS}' exec '${process.execPath}' '${standIn}' ${tool} "$@"`;
	const programs = { wrangler: act('wrangler'), gh: act('gh'), npm: 'exit 0' };
	for (const [name, script] of Object.entries(programs)) {
		writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	}
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	env = { PATH: `${tools}${delimiter}${PATH}`, NODE_COMPILE_CACHE };
});
afterEach(() => removeFolder(folder));

function accounts(): Accounts {
	return JSON.parse(readFileSync(join(folder, 'accounts.json'), 'utf8')) as Accounts;
}

/** The app's address on Cloudflare: the app is there once it is deployed. */
const address: Answer = (request, response, body) => {
	if (!accounts().deployed) return page(404, 'Nothing is here yet')(request, response);
	void passOn(request, response, body);
};

async function passOn(...[request, response, body]: Parameters<Answer>): Promise<void> {
	const { method = 'GET', url = '', headers } = request;
	// A proof would wait for the next code.
	if (method === 'POST' && url !== '/api/backup') await forgetCodes(app.folder);
	const answer = await fetch(`${app.url}${url}`, {
		method,
		headers: {
			Authorization: headers.authorization ?? '',
			'Content-Type': 'application/json',
			Accept: headers.accept ?? '',
		},
		...(body !== '' && { body }),
	});
	response.writeHead(answer.status, { 'Content-Type': answer.headers.get('Content-Type') ?? '' });
	response.end(Buffer.from(await answer.arrayBuffer()));
}

test('takes an app to a backup that is proven', async () => {
	const identity = join(folder, 'identity');
	const BACKUP_AGE_RECIPIENTS = await makeIdentity(identity, false);
	const settings = { TOTP_SECRET, BACKUP_MAC_KEY, BACKUP_AGE_RECIPIENTS };
	const lines = Object.entries({ ...settings, AGE_IDENTITY_FILE: identity });
	writeFileSync(join(folder, '.env'), lines.map(([name, value]) => `${name}=${value}\n`).join(''));
	await app.start({ ...settings, BACKUP_ORIGIN: ORIGIN });
	await using server = await listen(address);
	const given = { env: { ...env, BACKUP_URL: server.url } };

	const { code, stdout, stderr } = await operate(folder, 'deploy', ['--yes'], given);
	expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
	expect(stdout).toMatch(/^drill +done: proven, and recorded +\d+\.\d s$/m);
	expect(stdout).not.toContain('skipped');
	expect(accounts().deployed).toEqual({ ...settings, BACKUP_ORIGIN: ORIGIN });

	const again = await operate(folder, 'deploy', ['--yes'], given);
	expect(again).toMatchObject({ code: 0, stderr: '' });
	expect(again.stdout).toMatch(/^drill +skipped: full_backup_\S+ is proven/m);
	expect(again.stdout).not.toContain('done');
});

test.for([
	['', ['--yes'], 'TOTP_SECRET is not set in .env.'],
	['TOTP_SECRET=short\n', ['--yes'], 'TOTP_SECRET'],
	[`TOTP_SECRET=${TOTP_SECRET}\n`, ['--yes', '--no-github'], 'Backups are not encrypted yet'],
	[`TOTP_SECRET=${TOTP_SECRET}\n`, [], 'There is no terminal to ask on'],
] as const)('does not begin with %j and %j', async ([text, args, told]) => {
	writeFileSync(join(folder, '.env'), text);
	const before = accounts();
	const { code, stderr } = await operate(folder, 'deploy', [...args], { env });
	expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(told) });
	expect(accounts()).toEqual(before);
	expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(text);
});

test('npm run setup goes on with it, with --deploy', async () => {
	writeFileSync(join(folder, 'accounts.json'), JSON.stringify(NOTHING));
	const setup = run(process.execPath, [SETUP, '--no-encrypt', '--deploy', '--yes'], {
		...{ cwd: folder, env, signal: new AbortController().signal },
	});
	await expect(setup).rejects.toThrow(
		/^Wrote \.env\.[^]*^database DB +failed [^]*^database DB failed: Expected to be signed in to wrangler\.$/m,
	);
});
