import { existsSync, readFileSync } from 'node:fs';
import { completeWith, readEnvFile } from '../secrets/dotenv.ts';
import { asEnvText, valuesForCloudflare, valuesForGitHub, type Values } from '../secrets/places.ts';
import { writeSecretFile } from '../secrets/secret-file.ts';
import { parseArray, plain } from './answers.ts';
import { domainsOf } from './cloudflare.ts';
import { notReady, readConfiguration } from './configuration.ts';
import { rememberSent, unsent } from './sent.ts';
import { type Deployment, type Run, shown, type Step } from './step.ts';

const FILE = '.env';

/** The app's address in `.env`; empty if it is not set. */
export function ownAddress(): string {
	return readEnvFile()['BACKUP_ORIGIN']?.trim().split(/\s+/)[0] ?? '';
}

/** Writes the production address into `.env`: the only one at which the app answers the backup API. */
export function addressStep(deployment: Deployment): Step {
	return {
		name: 'address',
		hint: 'Give it yourself: npm run setup -- --origin https://app.example.com',
		isDone: async () => {
			const isSet = ownAddress() !== '' && Boolean(readEnvFile()['BACKUP_URL']?.trim());
			return isSet ? ownAddress() : null;
		},
		commands: () => [
			`# BACKUP_ORIGIN and BACKUP_URL in ${FILE}, if they are empty: the address of the app`,
		],
		async run() {
			const origins = ownAddress() || (await productionOrigins(deployment)).join(' ');
			const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
			const named = completeWith({ text, made: [], kept: [] }, 'BACKUP_ORIGIN', origins);
			const [first = ''] = origins.split(' ');
			writeSecretFile(FILE, completeWith(named, 'BACKUP_URL', first).text);
			return origins;
		},
	};
}

/** Pages: every domain of the project. Workers: the custom domains, and what wrangler has printed. */
async function productionOrigins({ run, isPages, deployedAt }: Deployment): Promise<string[]> {
	const { name, domains } = await readConfiguration();
	const own = isPages ? ((await domainsOf(run, name)) ?? []) : domains;
	const origins = own.map((domain) => `https://${domain}`);
	if (deployedAt !== null) origins.push(deployedAt);
	if (origins.length > 0) return origins;
	throw notReady('The address of the app is not known.', 'npm run setup -- --origin URL');
}

/** Sends the settings in `.env` to Cloudflare, by standard input. */
export function secretsStep({ run, isPages }: Deployment, name = 'secrets'): Step {
	const wrangler = ['wrangler', ...(isPages ? ['pages'] : []), 'secret'];
	const bulk = [...wrangler, 'bulk'];
	const missing = async () => {
		const there = await (isPages ? pagesSecrets(run) : workerSecrets(run));
		return unsent('cloudflare', valuesForCloudflare(), there);
	};
	return {
		name,
		hint: `Look at what is there: ${shown([...wrangler, 'list'])}.`,
		isDone: async () => (isEmpty(await missing()) ? 'all are there' : null),
		commands: async () => [shown(bulk), byInput(await missing())],
		async run() {
			const values = await missing();
			await run(bulk, JSON.stringify(values));
			rememberSent('cloudflare', values);
			return namesOf(values);
		},
	};
}

/** Sends what the workflows need to GitHub's environment, by standard input. */
export function gitHubSecretsStep({ run }: Deployment, environment: string): Step {
	const set = ['gh', 'secret', 'set', '--env', environment, '-f', '-'];
	const missing = async () => {
		return unsent('github', valuesForGitHub(), await gitHubSecrets(run, environment));
	};
	return {
		name: 'GitHub: secrets',
		hint: 'docs/deploy.md, step 8, sets them by hand.',
		optional: true,
		isDone: async () => (isEmpty(await missing()) ? 'all are there' : null),
		commands: async () => [shown(set), byInput(await missing())],
		async run() {
			const values = await missing();
			await run(set, asEnvText(values));
			rememberSent('github', values);
			return namesOf(values);
		},
	};
}

/** Lines such as `  - NAME: Value Encrypted`. */
async function pagesSecrets(run: Run): Promise<string[]> {
	const list = plain(await run(['wrangler', 'pages', 'secret', 'list']));
	return [...list.matchAll(/^ *- (\w+): /gm)].map(([, name = '']) => name);
}

/** None if there is no such Worker yet: `wrangler secret bulk` makes one. */
async function workerSecrets(run: Run): Promise<string[]> {
	try {
		return parseArray(await run(['wrangler', 'secret', 'list'])).map(({ name }) => String(name));
	} catch (error) {
		if (error instanceof Error && /Worker ".*" not found/.test(error.message)) return [];
		throw error;
	}
}

/** None if there is no such environment yet. */
async function gitHubSecrets(run: Run, environment: string): Promise<string[]> {
	const list = ['gh', 'secret', 'list', '--env', environment, '--json', 'name'];
	try {
		return parseArray(await run(list)).map(({ name }) => String(name));
	} catch (error) {
		if (error instanceof Error && /HTTP 404/.test(error.message)) return [];
		throw error;
	}
}

function isEmpty(values: Values): boolean {
	return Object.keys(values).length === 0;
}

function byInput(values: Values): string {
	return `# ${namesOf(values)} from ${FILE}, by standard input`;
}

function namesOf(values: Values): string {
	return Object.keys(values).join(', ');
}
