import { shellWord } from '../terminal/text.ts';
import { optionsFor } from './bindings.ts';
import type { Plan } from './plan.ts';

/** Days for which a backup cannot be deleted. */
const LOCK_DAYS = 90;

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
		`A lock keeps everyone, the app included, from deleting or overwriting backups for ${LOCK_DAYS} days.`,
	];
}

function stepsOnCloudflare({ config, databases, bucket, isNewBucket }: Plan): string[] {
	const name = shellWord(bucket.bucket_name ?? bucket.binding);
	const missing = config.databases.filter(({ binding, database_id: id }) => {
		return Object.values(databases).includes(binding) && !isId(id);
	});
	const locks = Object.keys(databases).map((database, index) => {
		const [rule, prefix] =
			index === 0 ? ['keep-backups', ''] : [`keep-${database}`, `${database}/`];
		return `npx wrangler r2 bucket lock add ${name} ${rule} ${prefix}full_backup_ --retention-days ${LOCK_DAYS}`;
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
