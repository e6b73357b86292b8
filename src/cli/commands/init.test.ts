import { execFileSync, spawnSync } from 'node:child_process';
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atTerminal } from '../../../tests/terminal.ts';
import { parseEnv } from '../secrets/dotenv.ts';

const INIT = join(import.meta.dirname, 'init.ts');

let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-init-'));
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	env = { PATH, NODE_COMPILE_CACHE, XDG_CONFIG_HOME: join(folder, '.git/config-home') };
	execFileSync('git', ['init', '--quiet'], { cwd: folder });
	for (const [file, text] of Object.entries(APP)) write(file, text);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An app as `sv create` makes it, for Cloudflare Workers. */
const APP = {
	'package.json': `{
	"name": "shop",
	"devDependencies": { "@sveltejs/kit": "^2.0.0", "@sveltejs/adapter-cloudflare": "^7.0.0", "lifeboat": "1.0.0" }
}
`,
	'package-lock.json': '{}\n',
	'tsconfig.json': '{}\n',
	'.gitignore': 'node_modules\n',
	'wrangler.jsonc': `{
	"name": "shop",
	"main": ".svelte-kit/cloudflare/_worker.js",
	"compatibility_date": "2025-09-27",
	"d1_databases": [
		{
			"binding": "APP_DB", // the orders
			"database_name": "orders",
			"database_id": "00000000-0000-0000-0000-000000000000"
		}
	]
}
`,
	'src/hooks.server.ts': `import type { Handle } from '@sveltejs/kit';

export const handle: Handle = async ({ event, resolve }) => {
	return resolve(event);
};
`,
};

function write(file: string, text: string): void {
	mkdirSync(dirname(join(folder, file)), { recursive: true });
	writeFileSync(join(folder, file), text);
}

const read = (file: string) => readFileSync(join(folder, file), 'utf8');

function init(...args: string[]): { status: number | null; stdout: string; stderr: string } {
	return spawnSync(process.execPath, [INIT, ...args], { cwd: folder, env, encoding: 'utf8' });
}

/** Every file of the app with its text. */
function files(): Record<string, string> {
	const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
	const own = names.filter(
		(name) => !/^(\.git|node_modules)(\/|$)/.test(name) || name === '.gitignore',
	);
	return Object.fromEntries(
		own.filter((name) => statSync(join(folder, name)).isFile()).map((name) => [name, read(name)]),
	);
}

test('wires an app up, in at most 12 lines, and makes its secrets', () => {
	const origin = ['--origin', 'https://shop.example.com'];
	const { status, stdout, stderr } = init('--yes', '--no-encrypt', ...origin);
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	expect(read('src/hooks.server.ts')).toBe(`import type { Handle } from '@sveltejs/kit';
import { lifeboat } from 'lifeboat';
import { sequence } from '@sveltejs/kit/hooks';

const backups = lifeboat({ databases: { main: 'APP_DB' } });

const handleRequest: Handle = async ({ event, resolve }) => {
	return resolve(event);
};

export const handle = sequence(backups.handle, handleRequest);
`);
	const config = read('wrangler.jsonc');
	expect(config).toContain('"compatibility_flags": ["nodejs_compat"],');
	expect(config).toContain(
		'"r2_buckets": [{ "binding": "MY_BUCKET", "bucket_name": "shop-backups" }]',
	);
	const lines = (texts: Record<string, string>) =>
		['src/hooks.server.ts', 'wrangler.jsonc'].flatMap((file) => texts[file]?.split('\n')).length;
	expect(lines(files()) - lines(APP)).toBeLessThanOrEqual(12);
	expect(read('.github/workflows/backup.yml')).toContain('npx --no lifeboat backup');
	expect(existsSync(join(folder, '.github/workflows/restore-drill.yml'))).toBe(true);

	const values = parseEnv(read('.env'));
	expect(values).toMatchObject({
		TOTP_SECRET: expect.stringMatching(/^[A-Z2-7]{32}$/),
		BACKUP_MAC_KEY: expect.stringMatching(/^.{44}$/),
		BACKUP_ORIGIN: 'https://shop.example.com',
		BACKUP_URL: 'https://shop.example.com',
		BACKUP_KEEP_DAILY: '7',
		BACKUP_KEEP_WEEKLY: '4',
		BACKUP_KEEP_MONTHLY: '12',
	});
	for (const name of ['AUTH_SECRET', 'GITHUB_ID', 'BACKUP_ADMINS'])
		expect(values).not.toHaveProperty(name);
	expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600);
	execFileSync('git', ['check-ignore', '.env', 'full_backup_x.sql'], { cwd: folder });

	for (const command of [
		'npx lifeboat deploy --database main=APP_DB\n',
		'npx wrangler d1 create orders ',
		'npx wrangler r2 bucket create shop-backups\n',
		'npx wrangler r2 bucket lock add shop-backups keep-backups full_backup_ --retention-days 97\n',
		'npx wrangler r2 bucket lock add shop-backups keep-differentials incremental_backup_ --retention-days 90\n',
	]) {
		expect(stdout).toContain(`\n  ${command}`);
	}
});

test('run again, it changes nothing', () => {
	init('--yes', '--no-encrypt');
	const before = files();
	const { status, stdout } = init('--no-encrypt');
	expect([status, stdout]).toEqual([0, expect.stringContaining('The app is wired up already.')]);
	expect(files()).toEqual(before);
});

test('--help and --dry-run write nothing; the latter shows the diff, without a secret', () => {
	expect(init('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--dry-run') });
	const { status, stdout } = init('--dry-run');
	expect(status).toBe(0);
	expect(stdout).toContain(`--- a/src/hooks.server.ts
+++ b/src/hooks.server.ts
@@ -1,5 +1,11 @@
 import type { Handle } from '@sveltejs/kit';
+import { lifeboat } from 'lifeboat';
`);
	expect(stdout).toContain('--- /dev/null\n+++ b/.github/workflows/backup.yml\n');
	expect(stdout).toContain(
		'.env gets TOTP_SECRET, BACKUP_MAC_KEY, BACKUP_KEEP_DAILY, BACKUP_KEEP_WEEKLY, BACKUP_KEEP_MONTHLY.',
	);
	expect(stdout).not.toMatch(/[A-Z2-7]{32}/);
	expect(files()).toEqual(APP);
});

test('a terminal is asked first, and any answer but yes changes nothing', async () => {
	const command = `'${process.execPath}' '${INIT}' --no-encrypt`;
	const no = await atTerminal(command, { cwd: folder, env }, [['Change these files?', '']]);
	expect([no.exitCode, no.screen]).toEqual([0, expect.stringContaining('Nothing was changed.')]);
	expect(files()).toEqual(APP);
	const yes = await atTerminal(command, { cwd: folder, env }, [
		['Change these files?', 'yes'],
		['address', 'https://shop.example.com'],
		['alerts', ''],
		['monitor', ''],
	]);
	expect([yes.exitCode, yes.screen]).toEqual([0, expect.not.stringContaining('administrators')]);
	expect(parseEnv(read('.env'))['BACKUP_ORIGIN']).toBe('https://shop.example.com');
});

test('encrypts as setup does, for an identity outside of the project, once there is a copy', () => {
	const first = init('--yes');
	expect([first.status, first.stderr]).toEqual([
		1,
		expect.stringContaining('Backups are not encrypted yet'),
	]);
	expect(parseEnv(read('.env'))['BACKUP_AGE_RECIPIENTS']).toBe('');
	expect(init('--identity-copied').status).toBe(0);
	expect(parseEnv(read('.env'))['BACKUP_AGE_RECIPIENTS']).toMatch(/^age1/);
	expect(parseEnv(read('.env'))['AGE_IDENTITY_FILE']).toContain('config-home/lifeboat/');
});

test('secrets go into .dev.vars where there is one, and no value there changes', () => {
	write('.dev.vars', 'TOTP_SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nOTHER=1');
	chmodSync(join(folder, '.dev.vars'), 0o644);
	expect(init('--yes', '--no-encrypt', '--webhook', 'https://hooks.example.com/a').status).toBe(0);
	expect(read('.dev.vars')).toBe(
		'TOTP_SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nOTHER=1\nALERT_WEBHOOK_URL=https://hooks.example.com/a\n',
	);
	expect(statSync(join(folder, '.dev.vars')).mode & 0o777).toBe(0o600);
	expect(existsSync(join(folder, '.env'))).toBe(false);
	expect(read('.gitignore')).toContain('\n.dev.vars\n');
});

test('secrets are ignored by git already where a pattern covers them', () => {
	const patterns = '.env\n.env.*\nfull_backup_*\nincremental_backup_*\nbefore-*\n*.agekey\n';
	write('.gitignore', patterns);
	init('--yes', '--no-encrypt');
	expect(read('.gitignore')).toBe(patterns);
});

test("the result satisfies the app's own Prettier, whose style new files get too", () => {
	symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
	write(
		'.prettierrc',
		'{ "tabWidth": 2, "printWidth": 60, "semi": false, "trailingComma": "none" }\n',
	);
	write('src/hooks.server.ts', APP['src/hooks.server.ts']);
	const prettier = (option: string) =>
		execFileSync(
			process.execPath,
			['node_modules/prettier/bin/prettier.cjs', option, 'src', '.github', 'wrangler.jsonc'].filter(
				(file) => existsSync(join(folder, file)) || file.startsWith('--'),
			),
			{ cwd: folder, encoding: 'utf8', stdio: 'pipe' },
		);
	prettier('--write');
	expect(init('--yes', '--no-encrypt').status).toBe(0);
	expect(prettier('--check')).toContain('All matched files use Prettier');
	expect(read('src/hooks.server.ts')).toContain('import { lifeboat } from "lifeboat"\n');
	expect(read('.github/workflows/backup.yml')).toContain('cron: "17 3 1 * *"');
});

test('hooks that it does not know stay, and the lines to add are printed', () => {
	write('src/hooks.server.ts', 'export const { handle, signIn } = SvelteKitAuth({});\n');
	const { status, stdout } = init('--yes', '--no-encrypt');
	expect(status).toBe(0);
	expect(read('src/hooks.server.ts')).toBe(
		'export const { handle, signIn } = SvelteKitAuth({});\n',
	);
	expect(stdout).toContain("  const backups = lifeboat({ databases: { main: 'APP_DB' } });\n");
	expect(read('wrangler.jsonc')).toContain('MY_BUCKET');
});

test("workflows of the app's own stay", () => {
	write('.github/workflows/backup.yml', 'name: mine\n');
	const { stdout } = init('--yes', '--no-encrypt');
	expect(read('.github/workflows/backup.yml')).toBe('name: mine\n');
	expect(stdout).toContain("backup.yml exists and is not Lifeboat's");
});

test('an app without hooks gets a file of them, in JavaScript if it has no TypeScript', () => {
	rmSync(join(folder, 'src/hooks.server.ts'));
	rmSync(join(folder, 'tsconfig.json'));
	expect(init('--yes', '--no-encrypt').status).toBe(0);
	expect(read('src/hooks.server.js')).toContain('.handle;\n');
	expect(statSync(join(folder, 'src/hooks.server.js')).mode & 0o044).toBe(0o044 & ~process.umask());
});

test.for([
	['package.json', '{}', 'no package.json with @sveltejs/kit'],
	['package.json', '{', 'package.json is not valid JSON'],
	['wrangler.jsonc', '{ "name": "x" }', 'binds no D1 database'],
	['wrangler.jsonc', '{', 'wrangler.jsonc cannot be read'],
	['wrangler.jsonc', null, 'There is no wrangler.json, wrangler.jsonc, wrangler.toml here'],
	['.env', 'TOTP_SECRET=deadbeef01\n', 'TOTP_SECRET'],
] as const)('with %s as %j it changes nothing, and says why', ([file, text, told]) => {
	if (text === null) rmSync(join(folder, file));
	else write(file, text);
	const before = files();
	const { status, stderr } = init('--yes', '--no-encrypt');
	expect([status, stderr]).toEqual([2, expect.stringContaining(told)]);
	expect(files()).toEqual(before);
});

test('refuses without a yes, with a wrong answer, and where git has the secrets', () => {
	const refused = [
		[init('--no-encrypt'), '--yes'],
		[init('--yes', '--origin', 'http://shop.example.com'), '--origin'],
		[init('--nonsense'), '--nonsense'],
		[init('--no-encrypt', '--post-quantum'), '--post-quantum'],
	] as const;
	for (const [{ status, stderr }, told] of refused) {
		expect([status, stderr]).toEqual([2, expect.stringContaining(told)]);
	}
	expect(files()).toEqual(APP);
	write('.env', 'A=1\n');
	execFileSync('git', ['add', '--force', '.env'], { cwd: folder });
	const { status, stderr } = init('--yes', '--no-encrypt');
	expect([status, stderr]).toEqual([2, expect.stringContaining('git rm --cached .env')]);
	expect(files()).toEqual({ ...APP, '.env': 'A=1\n' });
});

test('writes all files or none', () => {
	rmSync(join(folder, 'src/hooks.server.ts')); // a new file has to go again
	write('.github/workflows', 'a file where a folder has to be'); // the write of the third file fails
	const before = files();
	const { status } = init('--yes', '--no-encrypt');
	expect(status).toBe(2);
	expect(files()).toEqual(before);
});
