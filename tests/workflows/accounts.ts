// A program that stands in for `wrangler` and `gh` in a test: `node accounts.ts wrangler|gh ARGUMENT...`.
// It refuses every command and option that it does not know, and keeps in $ACCOUNTS what the real ones
// would keep on Cloudflare and GitHub.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs, parseEnv } from 'node:util';

/** What a person has on Cloudflare and GitHub. */
export interface Accounts {
	signedIn: string[];
	/** Ids, by name. */
	databases: Record<string, string>;
	migrated: string[];
	buckets: Record<string, { locks: string[] }>;
	projects: string[];
	/** The secrets of the project, and those with which it was deployed last. */
	secrets: Record<string, string>;
	deployed: Record<string, string> | null;
	repository: {
		name: string;
		secrets: Record<string, string>;
		vars: Record<string, string>;
	} | null;
	environments: Record<string, Environment>;
	/** Workflows that were started. */
	started: string[];
}

interface Environment {
	/** Whether a rule names the branches, and which. */
	isRestricted: boolean;
	branches: string[];
	secrets: Record<string, string>;
}

/** Nothing yet. */
export const NOTHING: Accounts = {
	...{ signedIn: [], databases: {}, migrated: [], buckets: {}, projects: [] },
	...{ secrets: {}, deployed: null, repository: null, environments: {}, started: [] },
};

interface Given {
	words: string[];
	options: Record<string, unknown>;
}

type Command = (accounts: Accounts, given: Given) => void;

const DATABASE_ID = '5f0c3c3e-0f0b-4d6c-8a52-3d1a8f6f2c11';

/** By the words before the arguments; the options are those of `--help` that the documents use. */
const WRANGLER: Record<string, Command> = {
	login: ({ signedIn }) => void signedIn.push('wrangler'),
	'd1 create': ({ databases }, { words: [name = ''] }) => {
		databases[name] = DATABASE_ID;
		console.log(`[[d1_databases]]\ndatabase_id = "${DATABASE_ID}"`);
	},
	'd1 migrations apply': ({ databases, migrated }, { words: [binding = ''], options }) => {
		expect(options['remote'] === true && binding === 'DB', 'the remote database DB');
		const [, id] = /^database_id = "(.+)"$/m.exec(readFileSync('wrangler.toml', 'utf8')) ?? [];
		const found = Object.entries(databases).find((entry) => entry[1] === id)?.[0];
		migrated.push(expect(found, `a database with the id in wrangler.toml, ${id}`));
	},
	'r2 bucket create': ({ buckets }, { words: [name = ''] }) => void (buckets[name] = { locks: [] }),
	'r2 bucket lock add': ({ buckets }, { words: [name = '', , prefix = ''], options }) => {
		expect(Number(options['retention-days']) > 0, 'a number of days');
		expect(buckets[name], `the bucket ${name}`).locks.push(prefix);
	},
	'r2 bucket lifecycle add': ({ buckets }, { words: [name = ''], options }) => {
		expect(Number(options['expire-days']) > 0 && buckets[name], 'a bucket and a number of days');
	},
	'r2 bucket dev-url get': ({ buckets }, { words: [name = ''] }) => {
		expect(buckets[name], `the bucket ${name}`);
		console.log('Public access via the r2.dev URL is disabled.');
	},
	'r2 bucket domain list': ({ buckets }, { words: [name = ''] }) => {
		expect(buckets[name], `the bucket ${name}`);
	},
	'pages project create': ({ projects }, { words: [name = ''], options }) => {
		expect(options['production-branch'] === 'main', 'the branch main');
		projects.push(name);
	},
	'pages secret bulk': ({ projects, secrets }) => {
		expect(projects.length > 0, 'a project');
		Object.assign(secrets, JSON.parse(input()));
	},
	'pages deploy': (accounts, { options }) => {
		expect(
			accounts.projects.length > 0 && options['branch'] === 'main',
			'a project and its branch',
		);
		accounts.deployed = { ...accounts.secrets };
	},
};

const GH: Record<string, Command> = {
	'auth login': ({ signedIn }) => void signedIn.push('gh'),
	'repo create': (accounts, { words: [name = ''], options }) => {
		expect(options['private'] && options['push'] && options['source'] === '.', 'this folder');
		accounts.repository = { name, secrets: {}, vars: {} };
	},
	api: ({ repository, environments }, { words: [path = ''], options }) => {
		expect(repository, 'a repository');
		const fields = Object.fromEntries(
			[options['field'] ?? [], options['raw-field'] ?? []].flat().map((field) => {
				return String(field).split('=') as [string, string];
			}),
		);
		const [, name = '', more] =
			/^repos\/\{owner\}\/\{repo\}\/environments\/(\w+)(\/deployment-branch-policies)?$/.exec(
				path,
			) ?? [];
		if (more) {
			const environment = expect(environments[name], `the environment ${name}`);
			expect(
				options['method'] === 'POST' && environment.isRestricted,
				'a rule that names branches',
			);
			environment.branches.push(expect(fields['name'], 'a branch'));
			return;
		}
		expect(name !== '' && options['method'] === 'PUT', `a known path, not ${path}`);
		const policy = 'deployment_branch_policy';
		expect(fields[`${policy}[protected_branches]`] === 'false', 'one kind of rule');
		const isRestricted = fields[`${policy}[custom_branch_policies]`] === 'true';
		environments[name] = { isRestricted, branches: [], secrets: {} };
	},
	'variable set': ({ repository }, { words: [name = ''], options }) => {
		expect(repository, 'a repository').vars[name] = String(expect(options['body'], 'a value'));
	},
	'secret set': ({ repository, environments }, { words: [name], options }) => {
		const place = options['env']
			? expect(environments[String(options['env'])], `the environment ${options['env']}`)
			: expect(repository, 'a repository');
		if (options['env-file'] === '-') Object.assign(place.secrets, parseEnv(input()));
		else place.secrets[expect(name, 'a name')] = expect(input().trimEnd(), 'a value');
	},
	'workflow run': ({ repository, started }, { words: [file = ''] }) => {
		expect(repository, 'a repository');
		started.push(file);
	},
};

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

const OPTIONS = {
	wrangler: {
		...{ remote: FLAG, branch: TEXT, 'production-branch': TEXT },
		...{ 'retention-days': TEXT, 'expire-days': TEXT },
	},
	gh: {
		...{ private: FLAG, push: FLAG, source: TEXT, body: TEXT },
		...{ method: { ...TEXT, short: 'X' }, field: { ...TEXT, short: 'F', multiple: true } },
		...{ 'raw-field': { ...TEXT, short: 'f', multiple: true }, env: { ...TEXT, short: 'e' } },
	},
} as const;

/** `-f` is a field for `gh api` and a file for `gh secret set`. */
const FILE = { 'env-file': { ...TEXT, short: 'f' }, env: { ...TEXT, short: 'e' } } as const;

function main(tool: 'wrangler' | 'gh', args: string[]): void {
	const file = process.env['ACCOUNTS'] ?? '';
	const accounts = JSON.parse(readFileSync(file, 'utf8')) as Accounts;
	const commands = tool === 'wrangler' ? WRANGLER : GH;
	const name = Object.keys(commands).find((one) => `${args.join(' ')} `.startsWith(`${one} `));
	const command = expect(commands[expect(name, `a known command, not ${args.join(' ')}`)], '');
	const isLogin = name?.endsWith('login');
	expect(isLogin || accounts.signedIn.includes(tool), `to be signed in to ${tool}`);
	const options = name === 'secret set' ? FILE : OPTIONS[tool];
	const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
	command(accounts, { words: positionals.slice(name?.split(' ').length), options: { ...values } });
	writeFileSync(file, JSON.stringify(accounts));
}

/** Ends the program unless there is such a thing. */
function expect<T>(found: T | null | undefined | false | '', what: string): T {
	if (found) return found;
	console.error(`Expected ${what}.`);
	process.exit(1);
}

function input(): string {
	return readFileSync(0, 'utf8');
}

const [, program, tool, ...args] = process.argv;
if (program === import.meta.filename && (tool === 'wrangler' || tool === 'gh')) main(tool, args);
