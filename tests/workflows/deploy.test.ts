import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { App } from '../app/app.ts';
import { forgetCodes } from '../app/bucket.ts';
import { counted } from '../counts.ts';
import { projectFolder, removeFolder } from '../operator.ts';
import { atTerminal } from '../terminal.ts';
import { type Accounts, NOTHING } from './account-state.ts';
import { runDrill } from './drill-run.ts';
import { type Context, job, readWorkflow, runJob, runnerPath } from './runner.ts';

// What a person does who follows README.md or docs/deploy.md to the letter, and what they have then.

const ORIGIN = 'https://lifeboat.pages.dev';
const ZEROS = '00000000-0000-0000-0000-000000000000';

let app: App;
/** The project's folder, with a home beside its files. */
let folder: string;
let home: string;
let env: NodeJS.ProcessEnv;
beforeAll(() => void (app = new App()));
afterAll(() => app?.stop());
beforeEach(() => {
	folder = projectFolder();
	rmSync(join(folder, 'wrangler.toml'));
	copyFileSync('wrangler.toml', join(folder, 'wrangler.toml')); // the person edits it
	home = join(folder, 'home');
	const tools = join(home, 'tools');
	mkdirSync(tools, { recursive: true });
	const ACCOUNTS = join(home, 'accounts.json');
	writeFileSync(ACCOUNTS, JSON.stringify(NOTHING));
	const standIn = `exec '${process.execPath}' '${join(import.meta.dirname, 'accounts.ts')}'`;
	const npm = `case "$*" in ci | "run build") exit ;; esac\nPATH="$REAL_PATH"; export PATH; exec npm "$@"`;
	const programs = {
		gh: `${standIn} gh "$@"`,
		npx: `[ "$1" = wrangler ] || exit 127\nshift\n${standIn} wrangler "$@"`,
		npm, // what it would install and build is here
	};
	for (const [name, script] of Object.entries(programs)) {
		writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	}
	const REAL_PATH = runnerPath();
	const { NODE_COMPILE_CACHE } = process.env; // a person has none: it only saves time
	const PATH = tools + delimiter + REAL_PATH;
	env = { ACCOUNTS, HOME: home, REAL_PATH, PATH, NODE_COMPILE_CACHE };
	return () => removeFolder(folder);
});

test.for([
	['README.md', /^## Deploy$.*?(?=^## )/ms],
	['docs/deploy.md', /^# .*?(?=^## (?!\d))/ms], // the steps with a number
] as const)('%s leads from an empty account to backups that are proven', async ([file, part]) => {
	const [page = ''] = part.exec(readFileSync(file, 'utf8')) ?? [];
	for (const command of commandsIn(page)) await follow(command);

	const { deployed, environments, repository, started, migrated, buckets } = accounts();
	expect({ migrated, started }).toEqual({ migrated: ['lifeboat'], started: ['backup.yml'] });
	expect(buckets).toEqual({
		'lifeboat-backups': { locks: ['full_backup_', 'incremental_backup_'] },
	});
	expect(deployed).toMatchObject({
		BACKUP_AGE_RECIPIENTS: expect.stringMatching(/^age1\w+$/),
		BACKUP_MAC_KEY: expect.stringMatching(/^\S{44}$/),
	});
	expect(deployed).not.toHaveProperty('BACKUP_API_KEY');
	expect(repository).toEqual({ name: 'lifeboat', secrets: {}, vars: { BACKUP_URL: ORIGIN } });
	const { lifeboat } = environments;
	expect(lifeboat).toMatchObject({ isRestricted: true, branches: ['main'] });
	const { AGE_IDENTITY = '', ...secrets } = lifeboat?.secrets ?? {};
	const { BACKUP_MAC_KEY, TOTP_SECRET, BACKUP_AGE_RECIPIENTS } = deployed ?? {};
	expect(secrets).toEqual({ BACKUP_MAC_KEY, TOTP_SECRET });
	const identity = AGE_IDENTITY.split('\n').at(-1) ?? '';
	expect(await identityToRecipient(identity)).toBe(BACKUP_AGE_RECIPIENTS);
	// With the same secrets the workflows do the same.
	if (file === 'README.md' || counted(2) > 1) await runSchedule(lifeboat?.secrets ?? {});
});

/** Runs the workflows as GitHub does by itself: a backup, and a drill after it. */
async function runSchedule(lifeboat: Record<string, string>): Promise<void> {
	const github: Context = {
		vars: { BACKUP_URL: app.url },
		environments: { lifeboat },
		secrets: {},
	};
	forgetCodes(app.folder);
	const schedule = { event_name: 'schedule', event: { schedule: '17 3 1 * *' } };
	const backup = await runJob(job(await readWorkflow('backup.yml'), 'backup'), {
		...{ ...github, github: schedule },
	});
	expect(backup).toMatchObject({ exitCode: 0, errors: [] });
	expect(backup.output).not.toContain('::warning');
	forgetCodes(app.folder);
	const drill = await runDrill(app.url, { ...github, github: { event_name: 'workflow_run' } });
	expect(drill).toMatchObject({ exitCode: 0, errors: [] });
	expect(drill.commands).toEqual([
		expect.stringMatching(/^::notice title=Backup proven::(full|incremental)_backup_/),
	]);
	expect(drill.output).toMatch(/Recorded with (full|incremental)_backup_/);
}

/** The commands in the blocks of a page, with their continuations. */
function commandsIn(page: string): string[] {
	const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
	return blocks
		.join('')
		.split(/(?<![\\|])\n/)
		.filter((command) => command.trim() !== '');
}

/** Does what a command and the words beside it say. Throws with its output when it fails. */
async function follow(command: string): Promise<void> {
	if (command.startsWith('npm run setup')) return setUp(command);
	if (/-X POST -H|npm run backup|--record/.test(command)) forgetCodes(app.folder);
	// The app runs on this machine; BACKUP_URL in .env has its address on Cloudflare.
	const script = command.includes('--body') ? command : command.replaceAll(ORIGIN, () => app.url);
	const more = app.isRunning ? { BACKUP_URL: app.url } : {};
	const child = spawn('bash', ['-eo', 'pipefail', '-c', script], {
		...{ cwd: folder, env: { ...env, ...more } },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const [stdout, stderr, [code]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, 'close') as Promise<[number]>,
	]);
	if (code !== 0) throw new Error(`${command}\n${stdout}${stderr}`);
	if (command.includes('d1 create')) putIdIntoConfiguration();
	const { deployed } = accounts();
	if (command.includes('pages deploy') && deployed) await app.start(deployed);
}

/** Answers the questions of the set-up: none, but with a copy of the identity. */
async function setUp(command: string): Promise<void> {
	const identity = join(home, '.config/lifeboat/lifeboat.agekey');
	const copy = () => readFileSync(identity, 'utf8').trim().slice(-6);
	const { exitCode, screen } = await atTerminal(command, { cwd: folder, env }, [
		['administrators', ''],
		['alerts', ''],
		['monitor', ''],
		['characters of the copy', copy],
	]);
	if (exitCode !== 0) throw new Error(screen);
}

function putIdIntoConfiguration(): void {
	const file = join(folder, 'wrangler.toml');
	const { databases } = accounts();
	const text = readFileSync(file, 'utf8');
	writeFileSync(file, text.replace(ZEROS, databases['lifeboat'] ?? ''));
}

function accounts(): Accounts {
	return JSON.parse(readFileSync(env['ACCOUNTS'] ?? '', 'utf8')) as Accounts;
}
