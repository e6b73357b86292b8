import { messageOf } from '../../lib/server/errors.ts';
import { parseObject } from '../client/json.ts';
import { parseArray } from './answers.ts';
import { gitHubSecretsStep, ownAddress } from './settings.ts';
import { type Deployment, type Run, shown, type Step } from './step.ts';

/** What the workflows run in: .github/workflows/backup.yml. */
const ENVIRONMENT = 'lifeboat';
const PATH = `repos/{owner}/{repo}/environments/${ENVIRONMENT}`;
const BRANCHES = `${PATH}/deployment-branch-policies`;

interface Repository {
	name: string;
	/** The branch whose workflows run on a schedule. */
	branch: string;
}

/** The steps on GitHub, or one that says why there are none. */
export async function gitHubSteps(deployment: Deployment): Promise<Step[]> {
	const found = deployment.github ? await findRepository(deployment.run) : '--no-github';
	if (typeof found === 'string') return [skipped(found)];
	return [
		environmentStep(deployment, found),
		variableStep(deployment, found),
		gitHubSecretsStep(deployment, ENVIRONMENT),
	];
}

/** The repository of this folder; a sentence if there is none that this person may set up. */
async function findRepository(run: Run): Promise<Repository | string> {
	const fields = 'nameWithOwner,defaultBranchRef,viewerPermission';
	let answer: Record<string, unknown>;
	try {
		answer = parseObject(await run(['gh', 'repo', 'view', '--json', fields]));
	} catch (error) {
		if (messageOf(error).startsWith('gh was not found')) return 'gh is not installed';
		return messageOf(error).trim().split('\n')[0] ?? '';
	}
	const name = String(answer['nameWithOwner']);
	if (answer['viewerPermission'] !== 'ADMIN') return `you do not administer ${name}`;
	const { name: branch } = Object(answer['defaultBranchRef']) as { name?: string };
	return { name, branch: branch || 'main' };
}

/** Makes the environment, which only workflows of one branch can use. What it has already stays. */
function environmentStep({ run }: Deployment, { name, branch }: Repository): Step {
	const policy = 'deployment_branch_policy';
	const make = [
		...['gh', 'api', '-X', 'PUT', PATH, '-F', `${policy}[protected_branches]=false`],
		...['-F', `${policy}[custom_branch_policies]=true`],
	];
	const allow = ['gh', 'api', '-X', 'POST', BRANCHES, '-f', `name=${branch}`];
	const needed = async () => {
		const rule = await ruleOf(run);
		if (rule === 'protected') return [];
		if (rule === null) return [make, allow];
		return rule.includes(branch) ? [] : [allow];
	};
	return {
		name: 'GitHub: environment',
		hint: 'A private repository has environments from GitHub Pro or Team on: docs/deploy.md, step 8, says what to do without. --no-github leaves all of this out.',
		optional: true,
		isDone: async () =>
			(await needed()).length === 0 ? `${ENVIRONMENT} in ${name} is there` : null,
		commands: async () => [`# in ${name}`, ...(await needed()).map(shown)],
		async run() {
			for (const words of await needed()) await run(words);
			return `${ENVIRONMENT} in ${name}, for ${branch} only`;
		},
	};
}

/** The branches that may use the environment; null if there is none, or if every branch may. */
async function ruleOf(run: Run): Promise<string[] | 'protected' | null> {
	const answer = await run(['gh', 'api', PATH]).catch(() => '{}'); // not found
	const rule = Object(parseObject(answer)['deployment_branch_policy']) as Record<string, unknown>;
	if (rule['protected_branches']) return 'protected';
	if (!rule['custom_branch_policies']) return null;
	const list = parseObject(await run(['gh', 'api', BRANCHES]))['branch_policies'];
	return Array.isArray(list) ? list.map((one: { name?: unknown }) => String(one.name)) : [];
}

function variableStep({ run }: Deployment, { name }: Repository): Step {
	const set = () => ['gh', 'variable', 'set', 'BACKUP_URL', '--body', ownAddress()];
	return {
		name: 'GitHub: variable',
		hint: 'docs/deploy.md, step 8, sets it by hand.',
		optional: true,
		async isDone() {
			const list = parseArray(await run(['gh', 'variable', 'list', '--json', 'name,value']));
			const found = list.find((variable) => variable['name'] === 'BACKUP_URL');
			return found && found['value'] === ownAddress() ? `BACKUP_URL in ${name} is there` : null;
		},
		commands: () => [shown(set())],
		async run() {
			await run(set());
			return `BACKUP_URL is ${ownAddress()}`;
		},
	};
}

function skipped(why: string): Step {
	return {
		name: 'GitHub',
		hint: '',
		isDone: async () => `${why}; docs/deploy.md, step 8`,
		commands: () => [],
		run: async () => '',
	};
}
