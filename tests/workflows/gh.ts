import { parseEnv } from 'node:util';
import { type Accounts, type Command, expect } from './account-state.ts';

/** What gh does, by the words before the arguments. */
export const GH: Record<string, Command> = {
	'auth login': ({ signedIn }) => void signedIn.push('gh'),
	'repo create': (accounts, { words: [name = ''], options }) => {
		expect(options['private'] && options['push'] && options['source'] === '.', 'this folder');
		accounts.repository = { name, secrets: {}, vars: {} };
	},
	'repo view': ({ repository }) => {
		if (!repository) throw new Error('no git remotes found');
		const branch = { name: 'main' };
		const nameWithOwner = `somebody/${repository.name}`;
		return JSON.stringify({ nameWithOwner, defaultBranchRef: branch, viewerPermission: 'ADMIN' });
	},
	api: (accounts, { words: [path = ''], options }) => {
		expect(accounts.repository, 'a repository');
		const [, name = '', more] =
			/^repos\/\{owner\}\/\{repo\}\/environments\/(\w+)(\/deployment-branch-policies)?$/.exec(
				path,
			) ?? [];
		expect(name, `a known path, not ${path}`);
		const fields = Object.fromEntries(
			[options['field'] ?? [], options['raw-field'] ?? []].flat().map((field) => {
				return String(field).split('=') as [string, string];
			}),
		);
		const method = String(options['method'] ?? 'GET');
		if (method === 'GET') return readEnvironment(accounts, name, more !== undefined);
		if (more) return void allowBranch(accounts, name, method, fields);
		makeEnvironment(accounts, name, method, fields);
	},
	'variable list': ({ repository }, { options }) => {
		expect(options['json'] === 'name,value', 'names and values as JSON');
		const { vars } = expect(repository, 'a repository');
		return JSON.stringify(Object.entries(vars).map(([name, value]) => ({ name, value })));
	},
	'variable set': ({ repository }, { words: [name = ''], options }) => {
		expect(repository, 'a repository').vars[name] = String(expect(options['body'], 'a value'));
	},
	'secret list': (accounts, { options }) => {
		expect(options['json'] === 'name', 'names as JSON');
		return JSON.stringify(
			Object.keys(placeOf(accounts, options).secrets).map((name) => ({ name })),
		);
	},
	'secret set': (accounts, { words: [name], options, input }) => {
		const { secrets } = placeOf(accounts, options);
		if (options['env-file'] === '-') Object.assign(secrets, parseEnv(input()));
		else secrets[expect(name, 'a name')] = expect(input().trimEnd(), 'a value');
	},
	'workflow run': ({ repository, started }, { words: [file = ''] }) => {
		expect(repository, 'a repository');
		started.push(file);
	},
};

function placeOf({ repository, environments }: Accounts, options: Record<string, unknown>) {
	const name = options['env'] as string | undefined;
	if (name === undefined) return expect(repository, 'a repository');
	const environment = environments[name];
	if (environment) return environment;
	throw new Error(
		'failed to get secrets: HTTP 404: Not Found (https://api.github.com/repositories)',
	);
}

function readEnvironment({ environments }: Accounts, name: string, isForBranches: boolean): string {
	const environment = environments[name];
	if (!environment) throw new Error('gh: Not Found (HTTP 404)');
	const { isRestricted, branches } = environment;
	if (isForBranches)
		return JSON.stringify({ branch_policies: branches.map((one) => ({ name: one })) });
	const rule = isRestricted ? { protected_branches: false, custom_branch_policies: true } : null;
	return JSON.stringify({ name, deployment_branch_policy: rule });
}

function allowBranch(
	{ environments }: Accounts,
	name: string,
	method: string,
	fields: Record<string, string>,
): void {
	const environment = expect(environments[name], `the environment ${name}`);
	expect(method === 'POST' && environment.isRestricted, 'a rule that names branches');
	environment.branches.push(expect(fields['name'], 'a branch'));
}

function makeEnvironment(
	{ environments }: Accounts,
	name: string,
	method: string,
	fields: Record<string, string>,
): void {
	expect(method === 'PUT', 'to make an environment');
	const policy = 'deployment_branch_policy';
	expect(fields[`${policy}[protected_branches]`] === 'false', 'one kind of rule');
	const isRestricted = fields[`${policy}[custom_branch_policies]`] === 'true';
	environments[name] = { isRestricted, branches: [], secrets: {} };
}
