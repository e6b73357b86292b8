import { setTimeout as sleep } from 'node:timers/promises';
import type { ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { apiOf } from '../client/api.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { count, megabytes } from '../terminal/text.ts';
import { plain } from './answers.ts';
import { isDeployed, rememberDeployed } from './sent.ts';
import { ownAddress } from './settings.ts';
import { type Deployment, shown, type Step } from './step.ts';

/** Between two looks at a new deployment. */
const PAUSE_MS = 2_000;

/** What an address answers before a deployment reaches it. */
const NOT_YET = ['app_unreachable', 'app_answer_unknown'];

const BUILD = ['npm', 'run', 'build'];

/** Applies the migrations of a binding's database. */
export function migrationsStep({ run }: Deployment, binding: string): Step {
	const wrangler = ['wrangler', 'd1', 'migrations'];
	const apply = [...wrangler, 'apply', binding, '--remote'];
	return {
		name: `migrations ${binding}`,
		hint: 'Correct the migration that failed: those before it stay applied.',
		checkWrites: true,
		async isDone() {
			const list = plain(await run([...wrangler, 'list', binding, '--remote']));
			return list.includes('No migrations to apply') ? 'all are applied' : null;
		},
		commands: () => [shown(apply)],
		async run() {
			await run(apply);
			return 'applied';
		},
	};
}

/** Builds the app, unless it is deployed already. */
export function buildStep(deployment: Deployment): Step {
	return {
		name: 'build',
		hint: 'Try `npm run build` by itself.',
		isDone: () => whyDeployed(deployment),
		commands: () => [shown(BUILD)],
		async run() {
			await deployment.run(BUILD);
			return 'built';
		},
	};
}

/** Deploys the app for production, unless it answers at its address already. */
export function deployStep(deployment: Deployment): Step {
	const { run, isPages, branch } = deployment;
	const command = isPages
		? ['wrangler', 'pages', 'deploy', '--branch', branch]
		: ['wrangler', 'deploy'];
	return {
		name: 'deploy',
		hint: 'wrangler says above what is wrong.',
		isDone: () => whyDeployed(deployment),
		commands: () => [shown(command)],
		async run() {
			const output = plain(await run(command));
			deployment.deployedAt = /https:\/\/[\w.-]+\.workers\.dev/.exec(output)?.[0] ?? null;
			rememberDeployed();
			return ownAddress() || deployment.deployedAt || 'deployed';
		},
	};
}

/** Makes the first backup by the deployed app. */
export function backupStep(deployment: Deployment): Step {
	const { signal, progress, isPages, branch } = deployment;
	const onPages = `${branch} has to be the project's production branch: --branch names another.`;
	return {
		name: 'backup',
		hint: `The app has to answer at its address with the secrets in .env. If it refuses the code, .env is not the one that it was deployed with. ${isPages ? onPages : ''}`,
		async isDone() {
			const [newest] = await listPatiently(deployment);
			return newest ? `${newest.name} is there` : null;
		},
		commands: () => [shown(['npm', 'run', 'backup'])],
		async run() {
			const report = (event: { event: string; seconds?: number }) => {
				if (event.seconds) progress.note(`The app asks for a pause of ${event.seconds} s.`);
			};
			const { name, rows, bytes } = await apiOf(undefined, signal).create({ report });
			return `${name}, ${count(rows)} rows, ${megabytes(bytes)}`;
		},
	};
}

/** Fetches the newest backup, restores it on this machine, compares, and records the proof. */
export function drillStep({ run, signal, drill }: Deployment): Step {
	return {
		name: 'drill',
		hint: 'Try `npm run drill -- latest --record` by itself. Until it succeeds, do not rely on the backups.',
		async isDone() {
			const [newest] = await apiOf(undefined, signal).list();
			return newest?.drilled?.proven ? `${newest.name} is proven` : null;
		},
		commands: () => [shown(['npm', 'run', 'drill', '--', 'latest', '--record'])],
		async run() {
			const url = readSetting('BACKUP_URL');
			await run([process.execPath, drill, 'latest', '--from', url, '--record', '--json']);
			return 'proven, and recorded';
		},
	};
}

/** Whether Lifeboat answers at the app's address, with the secrets that were sent last. */
async function whyDeployed({ signal, isPages }: Deployment): Promise<string | null> {
	if (ownAddress() === '' || (isPages && !isDeployed())) return null;
	try {
		await apiOf(undefined, signal).list();
		return `the app answers at ${ownAddress()}`;
	} catch {
		signal.throwIfAborted();
		return null;
	}
}

/** The newest backups; a new deployment takes a moment to answer. */
async function listPatiently({ signal, patience }: Deployment): Promise<ListedBackup[]> {
	for (const end = Date.now() + patience; ; await sleep(PAUSE_MS, null, { signal })) {
		try {
			return await apiOf(undefined, signal).list();
		} catch (error) {
			const isPassing = error instanceof LifeboatError && NOT_YET.includes(error.code);
			if (!isPassing || Date.now() > end) throw error;
		}
	}
}
