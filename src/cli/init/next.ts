import { LOCK_DAYS, lockRules } from '../secrets/lock-rules.ts';
import { shellWord } from '../terminal/text.ts';
import { optionsFor } from './bindings.ts';
import type { Plan } from './plan.ts';

/** What is left to do, as commands with the app's own names. */
export function nextCommands(plan: Plan): string[] {
	const { project, databases, bucket } = plan;
	const options = optionsFor(databases, bucket.binding);
	const words = [
		...Object.entries(options.databases ?? {}).map((pair) => `--database ${pair.join('=')}`),
		...(options.bucket ? [`--bucket ${options.bucket}`] : []),
	];
	const install = 'lifeboat' in project.dependencies ? [] : ['npm install lifeboat'];
	return [
		'Next:',
		...[...install, ['npx lifeboat deploy', ...words].join(' ')].map((line) => `  ${line}`),
		'',
		'It takes the app to a first proven backup, and asks before each step. Among them are:',
		...stepsOnCloudflare(plan).map((line) => `  ${line}`),
		'',
		`The lock rules keep everyone, the app included, from deleting or overwriting backups for ${LOCK_DAYS} days.`,
	];
}

function stepsOnCloudflare({ config, databases, bucket, isNewBucket }: Plan): string[] {
	const name = shellWord(bucket.bucket_name ?? bucket.binding);
	const missing = config.databases.filter(({ binding, database_id: id }) => {
		return Object.values(databases).includes(binding) && !isId(id);
	});
	const rules = Object.keys(databases).flatMap((database, at) => lockRules(database, at === 0));
	const locks = rules.map(({ name: rule, prefix, days }) => {
		return `npx wrangler r2 bucket lock add ${name} ${rule} ${prefix} --retention-days ${days}`;
	});
	return [
		...missing.map(({ binding, database_name }) => {
			return `npx wrangler d1 create ${shellWord(database_name ?? binding)}    its id goes into ${config.file}`;
		}),
		...(isNewBucket ? [`npx wrangler r2 bucket create ${name}`] : []),
		...locks,
	];
}

/** Wrangler's templates have zeros, or words, in place of an id. */
function isId(id: string | undefined): boolean {
	return /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(id ?? '') && /[1-9a-f]/.test(id ?? '');
}
