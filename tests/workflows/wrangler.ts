import { existsSync, readFileSync } from 'node:fs';
import { type Accounts, type Command, expect, type Given } from './account-state.ts';

const ADDRESS = 'https://lifeboat.somebody.workers.dev';

/** What wrangler does, by the words before the arguments. */
export const WRANGLER: Record<string, Command> = {
	login: ({ signedIn }) => void signedIn.push('wrangler'),
	'd1 create': ({ databases }, { words: [name = ''] }) => {
		expect(!databases[name], 'a new name');
		const id = `5f0c3c3e-0f0b-4d6c-8a52-3d1a8f6f2c1${Object.keys(databases).length + 1}`;
		databases[name] = id;
		return `[[d1_databases]]\ndatabase_id = "${id}"`;
	},
	'd1 list': ({ databases }, { options }) => {
		expect(options['json'], 'JSON to be asked for');
		return JSON.stringify(Object.entries(databases).map(([name, uuid]) => ({ uuid, name })));
	},
	'd1 migrations list': (accounts, given) => {
		const isMigrated = accounts.migrated.includes(databaseOf(accounts, given));
		return isMigrated ? '✅ No migrations to apply!' : 'Migrations to be applied:\n│ 0001.sql │';
	},
	'd1 migrations apply': (accounts, given) =>
		void accounts.migrated.push(databaseOf(accounts, given)),
	'r2 bucket create': ({ buckets }, { words: [name = ''] }) => {
		expect(!buckets[name], 'a new name');
		buckets[name] = { locks: [] };
	},
	'r2 bucket list': ({ buckets }) =>
		[
			'Listing buckets...',
			labelled(Object.keys(buckets).map((name) => ({ name, creation_date: '' }))),
		].join('\n'),
	'r2 bucket lock list': ({ buckets }, { words: [name = ''] }) => {
		const { locks } = expect(buckets[name], `the bucket ${name}`);
		if (locks.length === 0) return `There are no lock rules for bucket '${name}'.`;
		const condition = 'after 90 days';
		return labelled(locks.map((prefix) => ({ name: 'rule', enabled: 'Yes', prefix, condition })));
	},
	'r2 bucket lock add': ({ buckets }, { words: [name = '', rule, prefix = ''], options }) => {
		expect(rule && Number(options['retention-days']) > 0, 'a rule and a number of days');
		expect(buckets[name], `the bucket ${name}`).locks.push(prefix);
	},
	'r2 bucket lifecycle add': ({ buckets }, { words: [name = ''], options }) => {
		expect(Number(options['expire-days']) > 0 && buckets[name], 'a bucket and a number of days');
	},
	'r2 bucket dev-url get': ({ buckets }, { words: [name = ''] }) => {
		expect(buckets[name], `the bucket ${name}`);
		return 'Public access via the r2.dev URL is disabled.';
	},
	'r2 bucket domain list': ({ buckets }, { words: [name = ''] }) => {
		expect(buckets[name], `the bucket ${name}`);
	},
	'pages project list': ({ projects }, { options }) => {
		expect(options['json'], 'JSON to be asked for');
		return JSON.stringify(
			projects.map((name) => ({ 'Project Name': name, 'Project Domains': `${name}.pages.dev` })),
		);
	},
	'pages project create': ({ projects }, { words: [name = ''], options }) => {
		expect(options['production-branch'] === 'main', 'the branch main');
		projects.push(name);
	},
	'pages secret list': (accounts) => {
		requireProject(accounts);
		const lines = Object.keys(accounts.secrets).map((name) => `  - ${name}: Value Encrypted`);
		return ['The "production" environment has access to the following secrets:', ...lines].join(
			'\n',
		);
	},
	'pages secret bulk': (accounts, { input }) => {
		requireProject(accounts);
		Object.assign(accounts.secrets, JSON.parse(input()));
	},
	'pages deploy': (accounts, { options }) => {
		requireProject(accounts);
		expect(options['branch'] === 'main', 'its branch');
		requireIds(accounts);
		accounts.deployed = { ...accounts.secrets };
	},
	'secret list': ({ projects, secrets }) => {
		requireWorker();
		if (projects.length === 0) throw new Error('✘ [ERROR] Worker "lifeboat" not found.');
		return JSON.stringify(Object.keys(secrets).map((name) => ({ name, type: 'secret_text' })));
	},
	'secret bulk': (accounts, { input }) => {
		requireWorker();
		Object.assign(accounts.secrets, JSON.parse(input()));
		if (accounts.projects.length === 0) accounts.projects.push('lifeboat'); // a draft
		if (accounts.deployed) accounts.deployed = { ...accounts.secrets };
	},
	deploy: (accounts) => {
		requireWorker();
		requireIds(accounts);
		accounts.projects = ['lifeboat'];
		accounts.deployed = { ...accounts.secrets };
		return `Deployed lifeboat triggers (0.33 sec)\n  ${ADDRESS}\nCurrent Version ID: 8f6f2c11`;
	},
};

function labelled(rows: Record<string, string>[]): string {
	const lines = (row: Record<string, string>) =>
		Object.entries(row).map(([label, value]) => `${`${label}:`.padEnd(15)}${value}`);
	return rows.map((row) => lines(row).join('\n')).join('\n\n');
}

/** The name of the database on Cloudflare that a binding in the configuration stands for. */
function databaseOf({ databases }: Accounts, { words: [binding = ''], options }: Given): string {
	expect(options['remote'] === true, 'the remote database');
	const [, id] =
		new RegExp(`binding"?\\s*[=:]\\s*"${binding}"[^[{}]*?database_id"?\\s*[=:]\\s*"(.+?)"`).exec(
			configuration(),
		) ?? [];
	const found = Object.entries(databases).find((entry) => entry[1] === id)?.[0];
	return expect(found, `a database with the id of ${binding}, ${id}`);
}

/** Cloudflare deploys nothing with a binding to something that is not there. */
function requireIds({ databases }: Accounts): void {
	const active = configuration().replace(/^\s*(#|\/\/).*$/gm, '');
	for (const [, id = ''] of active.matchAll(/database_id"?\s*[=:]\s*"(.*?)"/g)) {
		expect(Object.values(databases).includes(id), `a database with the id ${id}`);
	}
}

function requireProject({ projects }: Accounts): void {
	expect(isPages(), 'a configuration of Pages');
	expect(projects.length > 0, 'a project');
}

function requireWorker(): void {
	expect(!isPages(), 'a configuration of a Worker');
}

function isPages(): boolean {
	return configuration().includes('pages_build_output_dir');
}

function configuration(): string {
	const file = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'].find((name) =>
		existsSync(name),
	);
	return readFileSync(expect(file, "wrangler's configuration"), 'utf8');
}
