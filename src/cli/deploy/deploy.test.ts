import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { listen } from '../../../tests/stand-in.ts';
import { type Accounts, NOTHING } from '../../../tests/workflows/account-state.ts';
import { act } from '../../../tests/workflows/accounts.ts';
import { DeployedApp } from '../../../tests/workflows/deployed.ts';
import { ENV, KINDS, type Kind } from '../../../tests/workflows/projects.ts';
import { newTotpSecret, readEnvFile } from '../secrets/dotenv.ts';
import { Progress } from '../terminal/progress.ts';
import { readConfiguration } from './configuration.ts';
import { planSteps } from './plan.ts';
import { bucketFrom, databasesFrom } from './ready.ts';
import type { Deployment } from './step.ts';
import { preview, walk } from './walk.ts';

// Deployments against stand-ins of wrangler and gh, which take only what those programs' help lists.

const ROOT = join(import.meta.dirname, '../../..');
let folder: string;
let accounts: Accounts;
let app: DeployedApp;
let server: Awaited<ReturnType<typeof listen>>;
/** What is run, one line each, of the programs that change something. */
let changes: string[];
/** What is printed. */
let output: string;

beforeAll(async () => {
	server = await listen((...call) => app.answer(...call));
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-deploy-'));
	process.chdir(folder);
	cpSync(join(ROOT, 'migrations'), 'migrations', { recursive: true });
	accounts = structuredClone(NOTHING);
	accounts.signedIn = ['wrangler', 'gh'];
	accounts.repository = { name: 'lifeboat', secrets: {}, vars: {} };
	app = new DeployedApp(() => accounts);
	changes = [];
	output = '';
	const write = (line: string) => void (output += `${line}\n`);
	vi.spyOn(console, 'log').mockImplementation(write);
	vi.spyOn(console, 'error').mockImplementation(write);
	vi.stubEnv('BACKUP_URL', server.url); // .env has the address on Cloudflare
});
afterEach(() => {
	vi.restoreAllMocks();
	vi.unstubAllEnvs();
	process.chdir(ROOT);
	rmSync(folder, { recursive: true });
});

/** A new project of this kind, with the secrets that setup makes. */
function project(kind: Kind, env = ENV): void {
	writeFileSync(KINDS[kind].file, KINDS[kind].text);
	writeFileSync('.env', env);
}

const READS = /^(wrangler|gh) (.* )?(list|view)\b|^gh api repos\/[^ ]+$/;

/** A deployment; `broken` says of a command whether its answer gets lost. */
function deployment(kind: Kind, broken: (line: string) => boolean = () => false): Deployment {
	const { signal } = new AbortController();
	return {
		...KINDS[kind].given,
		...{ signal, progress: new Progress(), drill: 'drill.ts', branch: 'main', github: true },
		...{ isPages: kind === 'Pages', patience: 0, deployedAt: null },
		async run([program = '', ...args], input = '') {
			const line = [program === process.execPath ? 'node' : program, ...args].join(' ');
			const answer = (() => {
				if (program === 'npm') return '';
				if (program === process.execPath) return (app.prove(), '');
				return act(program as 'wrangler' | 'gh', args, accounts, () => input);
			})();
			if (!READS.test(line)) changes.push(line);
			if (broken(line)) throw new Error('The connection broke.');
			return answer;
		},
	};
}

/** Takes all steps without asking. */
async function deploy(given: Deployment): Promise<{ code: number; rows: string[][] }> {
	output = '';
	const code = await walk(await planSteps(given), null, given.signal);
	return { code, rows: rowsOf(output) };
}

/** The rows of the table that was printed last: step and the first word of the result. */
function rowsOf(text: string): string[][] {
	const [, body = ''] = text.split(/^-+ {2}-[- ]*$/m);
	const lines = body.split('\n\n')[0]?.trim().split('\n') ?? [];
	return lines.map((line) => {
		const [step = '', result = ''] = line.split(/ {2,}/);
		return [step, result.split(':')[0] ?? ''];
	});
}

describe.each(['Pages', 'Workers'] as const)('an app on %s', (kind) => {
	const { origin, databases, buckets, file } = KINDS[kind];

	test('goes from nothing to a proven backup, and a second run does nothing', async () => {
		project(kind);
		const { code, rows } = await deploy(deployment(kind));
		expect({ code, output }).toEqual({ code: 0, output: expect.any(String) });
		const left = rows.filter(([, result]) => result !== 'done');
		expect(left).toEqual([]);

		expect(Object.keys(accounts.databases)).toEqual(databases);
		expect(accounts.buckets).toEqual(buckets);
		expect(accounts.migrated).toEqual([databases[0]]);
		for (const id of Object.values(accounts.databases)) {
			expect(readFileSync(file, 'utf8')).toContain(`"${id}"`);
		}
		const { TOTP_SECRET, BACKUP_MAC_KEY } = readEnvFile();
		expect(accounts.deployed).toEqual({ TOTP_SECRET, BACKUP_MAC_KEY, BACKUP_ORIGIN: origin });
		expect(readEnvFile()).toMatchObject({ BACKUP_ORIGIN: origin, BACKUP_URL: origin });
		const lifeboat = {
			isRestricted: true,
			branches: ['main'],
			secrets: { TOTP_SECRET, BACKUP_MAC_KEY },
		};
		expect(accounts.environments).toEqual({ lifeboat });
		expect(accounts.repository?.vars).toEqual({ BACKUP_URL: origin });
		expect(output).not.toContain(TOTP_SECRET);
		expect(changes.join('\n')).not.toContain(TOTP_SECRET);

		const before = structuredClone(accounts);
		changes = [];
		const again = await deploy(deployment(kind));
		expect(again.code).toBe(0);
		expect(new Set(again.rows.map(([, result]) => result))).toEqual(new Set(['skipped']));
		expect({ accounts, changes }).toEqual({ accounts: before, changes: [] });
	});

	test('goes on after a failure of any command, and repeats none that had come to its end', async () => {
		project(kind);
		await deploy(deployment(kind));
		const all = changes;
		const last = structuredClone(accounts);
		for (const failing of new Set(all)) {
			const { repository, signedIn } = last;
			accounts = { ...structuredClone(NOTHING), signedIn };
			accounts.repository = { name: repository?.name ?? '', secrets: {}, vars: {} };
			app = new DeployedApp(() => accounts);
			rmSync('.wrangler', { recursive: true, force: true });
			project(kind);
			changes = [];
			const broken = await deploy(deployment(kind, (line) => line === failing));
			expect([failing, broken.code]).toEqual([failing, 1]);
			expect(broken.rows.at(-1)?.[1]).toBe('failed');
			expect(output).toMatch(
				/ failed: The connection broke\.\n.*Run this again to go on from here/,
			);
			const rest = await deploy(deployment(kind));
			expect([failing, rest.code, output]).toEqual([failing, 0, expect.any(String)]);
			expect(accounts).toEqual(last);
			const done = broken.rows.slice(0, -1).filter(([step]) => step !== 'build');
			expect(rest.rows.slice(0, done.length).filter(([, result]) => result !== 'skipped')).toEqual(
				[],
			);
		}
	}, 60_000);

	test('shows the plan with --dry-run, and changes nothing', async () => {
		project(kind);
		const before = structuredClone(accounts);
		const given = deployment(kind);
		expect(await preview(await planSteps(given), given.signal)).toBe(0);
		expect(output).toContain(`npx wrangler d1 create ${databases[0]}`);
		expect(output).toContain(
			kind === 'Pages' ? 'wrangler pages deploy --branch main' : 'npx wrangler deploy',
		);
		expect(output).toMatch(/^drill +npm run drill -- latest --record$/m);
		expect({ accounts, changes }).toEqual({ accounts: before, changes: [] });
		expect(readFileSync(file, 'utf8')).toBe(KINDS[kind].text);
		expect(readFileSync('.env', 'utf8')).toBe(ENV);
	});
});

test.for([
	['gh is missing', 'gh was not found: start this with `npm run`.', 'gh is not installed'],
	['there is no repository', 'no git remotes found', 'no git remotes found'],
] as const)('leaves GitHub out where %s', async ([, error, told]) => {
	project('Pages');
	const given = deployment('Pages');
	const { run } = given;
	given.run = async (words, input) => {
		if (words[0] === 'gh') throw new Error(error);
		return run(words, input);
	};
	const { code, rows } = await deploy(given);
	expect(code).toBe(0);
	expect(output).toMatch(new RegExp(`^GitHub +skipped: ${told}; docs/deploy.md, step 8`, 'm'));
	expect(rows.at(-1)).toEqual(['drill', 'done']);
});

test('asks before each step; a no stops it, but not where the rest makes sense without', async () => {
	project('Pages');
	const given = deployment('Pages');
	const asked: string[] = [];
	const ask = (no: RegExp) => async (question: string) => {
		const [step = ''] = output.match(/^\S.*(?=:\n {2}[$#] [^]*$)/gm)?.slice(-1) ?? [];
		asked.push(`${step} ${question}`);
		return no.test(step) ? '' : 'y';
	};
	expect(await walk(await planSteps(given), ask(/^bucket/), given.signal)).toBe(1);
	expect(asked).toHaveLength(2);
	expect(output).toContain('Stopped before bucket MY_BUCKET.');
	expect(accounts.buckets).toEqual({});
	expect(await walk(await planSteps(given), ask(/^lock|^GitHub/), given.signal)).toBe(0);
	expect(accounts.buckets).toEqual({ 'lifeboat-backups': { locks: [] } });
	expect(output).toMatch(/^lock full_backup_ +left out: you said no/m);
	expect(output).toMatch(/^GitHub: secrets +left out: you said no/m);
	expect(accounts.environments).toEqual({});
});

test('never replaces a secret that somebody else has set, and says why the app refuses', async () => {
	project('Pages');
	accounts.projects = ['lifeboat'];
	accounts.secrets = { TOTP_SECRET: newTotpSecret() };
	const theirs = accounts.secrets['TOTP_SECRET'];
	const { code, rows } = await deploy(deployment('Pages'));
	expect([code, rows.at(-1)]).toEqual([1, ['backup', 'failed']]);
	expect(output).toContain('.env is not the one that it was deployed with');
	expect(accounts.deployed?.['TOTP_SECRET']).toBe(theirs);
	writeFileSync('.env', `${readFileSync('.env', 'utf8')}BACKUP_PLAN=paid\n`);
	await deploy(deployment('Pages'));
	expect(accounts.deployed).toMatchObject({ TOTP_SECRET: theirs, BACKUP_PLAN: 'paid' });
});

test('sends what has changed in .env since, and deploys again', async () => {
	project('Pages');
	await deploy(deployment('Pages'));
	const key = 'j'.repeat(44);
	writeFileSync('.env', readFileSync('.env', 'utf8').replace('k'.repeat(44), key));
	changes = [];
	const { code } = await deploy(deployment('Pages'));
	expect(code).toBe(0);
	expect(accounts.deployed).toMatchObject({ BACKUP_MAC_KEY: key });
	expect(accounts.environments['lifeboat']?.secrets).toMatchObject({ BACKUP_MAC_KEY: key });
	expect(changes).toEqual([
		'wrangler pages secret bulk',
		'npm run build',
		'wrangler pages deploy --branch main',
		'gh secret set --env lifeboat -f -',
	]);
});

test('refuses a database of another account', async () => {
	const id = '11111111-2222-4333-8444-555555555555';
	project('Pages');
	writeFileSync(
		'wrangler.toml',
		KINDS.Pages.text.replace(/^database_id = .*/m, `database_id = "${id}"`),
	);
	const { code } = await deploy(deployment('Pages'));
	expect(code).toBe(1);
	expect(output).toContain(`This account has no D1 database with the id of lifeboat, ${id}.`);
	expect(changes).toEqual([]);
});

test('finds the database and the bucket, or says what is missing', async () => {
	project('Workers');
	const configuration = await readConfiguration();
	expect(databasesFrom([], configuration)).toEqual({ main: 'APP_DB' });
	expect(output).toContain('Only APP_DB is backed up, not STATS_DB');
	expect(databasesFrom(['a=STATS_DB', 'b=APP_DB'], configuration)).toEqual({
		a: 'STATS_DB',
		b: 'APP_DB',
	});
	expect(bucketFrom(undefined, configuration)).toBe('BACKUPS');
	expect(() => bucketFrom('NONE', configuration)).toThrow('no R2 bucket bound to NONE');
	const given = { ...deployment('Workers'), databases: { main: 'NONE' } };
	await expect(planSteps(given)).rejects.toThrow('no D1 database bound to NONE');
});
