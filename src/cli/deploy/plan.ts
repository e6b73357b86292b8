import { lockRules } from '../secrets/lock-rules.ts';
import { backupStep, buildStep, deployStep, drillStep, migrationsStep } from './app.ts';
import { bucketStep, databaseStep, lockStep, projectStep } from './cloudflare.ts';
import { bucketOf, databaseOf, readConfiguration } from './configuration.ts';
import { gitHubSteps } from './github.ts';
import { addressStep, secretsStep } from './settings.ts';
import type { Deployment, Step } from './step.ts';

/**
 * The steps of a deployment, in order. Pages gives secrets to the deployments that follow, and knows its
 * address before; a Worker gets them at once, and learns its address from its first deployment. Throws
 * `deploy_not_ready` (400) if wrangler's configuration lacks a binding.
 */
export async function planSteps(deployment: Deployment): Promise<Step[]> {
	const configuration = await readConfiguration();
	const { databases, buckets } = configuration;
	const named = Object.values(deployment.databases);
	const migrated = named.filter((binding, at) => {
		const { migrations } = databaseOf(configuration, binding);
		return migrations !== null && (at === 0 || migrations !== 'migrations');
	});
	bucketOf(configuration, deployment.bucket);
	const names = Object.keys(deployment.databases);
	const rules = names.flatMap((name, at) => lockRules(name, at === 0));
	const release = [
		...migrated.map((binding) => migrationsStep(deployment, binding)),
		...[buildStep(deployment), deployStep(deployment)],
	];
	const [address, secrets] = [addressStep(deployment), secretsStep(deployment)];
	return [
		...databases.map(({ binding }) => databaseStep(deployment, binding)),
		...buckets.map(({ binding }) => bucketStep(deployment, binding)),
		...rules.map((rule) => lockStep(deployment, rule)),
		...(deployment.isPages
			? [projectStep(deployment), address, secrets, ...release]
			: [secrets, ...release, address, secretsStep(deployment, 'secrets: address')]),
		...(await gitHubSteps(deployment)),
		...[backupStep(deployment), drillStep(deployment)],
	];
}
