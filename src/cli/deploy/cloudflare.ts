import { readFileSync, writeFileSync } from 'node:fs';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { LockRule } from '../secrets/lock-rules.ts';
import { parseArray, plain } from './answers.ts';
import {
	bucketOf,
	type ConfiguredBucket,
	databaseOf,
	isId,
	readConfiguration,
} from './configuration.ts';
import { setDatabaseId } from './database-id.ts';
import { type Deployment, type Run, shown, type Step } from './step.ts';

const SIGN_IN = 'Sign in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.';

/** Makes the D1 database of a binding, and writes its id into wrangler's configuration. */
export function databaseStep({ run }: Deployment, binding: string): Step {
	const create = (name: string) => ['wrangler', 'd1', 'create', name];
	return {
		name: `database ${binding}`,
		hint: SIGN_IN,
		async isDone() {
			const { id, name } = databaseOf(await readConfiguration(), binding);
			if (!isId(id)) return null;
			const isThere = (await databasesOn(run)).some(({ uuid }) => uuid === id);
			if (isThere) return `${name} is there`;
			throw otherAccount(name, id);
		},
		async commands() {
			const configuration = await readConfiguration();
			const { name } = databaseOf(configuration, binding);
			const found = await findDatabase(run, name);
			const write = `# database_id = "${found ?? '…'}" for ${binding} in ${configuration.file}`;
			return found === null ? [shown(create(name)), write] : [write];
		},
		async run() {
			const configuration = await readConfiguration();
			const { name } = databaseOf(configuration, binding);
			if ((await findDatabase(run, name)) === null) await run(create(name));
			const id = (await findDatabase(run, name)) ?? '';
			await writeId(configuration.path, binding, id);
			return `${name}, ${id}`;
		},
	};
}

/** Makes the bucket of a binding. */
export function bucketStep({ run }: Deployment, binding: string): Step {
	const create = (bucket: ConfiguredBucket) => [
		...['wrangler', 'r2', 'bucket', 'create', bucket.name],
		...within(bucket),
	];
	const bucket = async () => bucketOf(await readConfiguration(), binding);
	return {
		name: `bucket ${binding}`,
		hint: `${SIGN_IN} R2 has to be turned on once, in Cloudflare's dashboard.`,
		async isDone() {
			const own = await bucket();
			return (await hasBucket(run, own)) ? `${own.name} is there` : null;
		},
		commands: async () => [shown(create(await bucket()))],
		async run() {
			const own = await bucket();
			await run(create(own));
			return own.name;
		},
	};
}

/** Adds a lock rule: nobody, not even the app, deletes or overwrites a backup before its time. */
export function lockStep(
	{ run, bucket: binding }: Deployment,
	{ name: rule, prefix, days }: LockRule,
): Step {
	const bucket = async () => bucketOf(await readConfiguration(), binding);
	const add = (own: ConfiguredBucket) => [
		...['wrangler', 'r2', 'bucket', 'lock', 'add', own.name, rule, prefix],
		...['--retention-days', String(days), ...within(own)],
	];
	return {
		name: `lock ${prefix}`,
		hint: `${SIGN_IN} The token needs the right to edit R2.`,
		optional: true,
		async isDone() {
			const own = await bucket();
			if (!(await hasBucket(run, own))) return null;
			const list = ['wrangler', 'r2', 'bucket', 'lock', 'list', own.name, ...within(own)];
			const rules = plain(await run(list)).split(/\n\s*\n/);
			const isThere = rules.some(
				(one) => valuesOf(one, 'prefix')[0] === prefix && valuesOf(one, 'enabled')[0] === 'Yes',
			);
			return isThere ? 'a rule is there' : null;
		},
		commands: async () => [shown(add(await bucket()))],
		async run() {
			await run(add(await bucket()));
			return `for ${days} days`;
		},
	};
}

/** Makes the project on Pages. */
export function projectStep({ run, branch }: Deployment): Step {
	const create = (name: string) => [
		...['wrangler', 'pages', 'project', 'create', name, '--production-branch', branch],
	];
	return {
		name: 'project',
		hint: `${SIGN_IN} If the name is taken, change it in wrangler's configuration.`,
		async isDone() {
			const { name } = await readConfiguration();
			return (await domainsOf(run, name)) === null ? null : `${name} is there`;
		},
		commands: async () => [shown(create((await readConfiguration()).name))],
		async run() {
			const { name } = await readConfiguration();
			await run(create(name));
			return name;
		},
	};
}

/** The domains of a project on Pages; null if there is no such project. */
export async function domainsOf(run: Run, name: string): Promise<string[] | null> {
	const projects = parseArray(await run(['wrangler', 'pages', 'project', 'list', '--json']));
	const found = projects.find((project) => project['Project Name'] === name);
	return found ? String(found['Project Domains']).split(', ').filter(Boolean) : null;
}

async function databasesOn(run: Run): Promise<Record<string, unknown>[]> {
	return parseArray(await run(['wrangler', 'd1', 'list', '--json']));
}

async function findDatabase(run: Run, name: string): Promise<string | null> {
	const found = (await databasesOn(run)).find((database) => database['name'] === name);
	return found ? String(found['uuid']) : null;
}

async function hasBucket(run: Run, bucket: ConfiguredBucket): Promise<boolean> {
	const list = await run(['wrangler', 'r2', 'bucket', 'list', ...within(bucket)]);
	return valuesOf(plain(list), 'name').includes(bucket.name);
}

/** Wrangler finds a bucket in a jurisdiction only if it is named. */
function within({ jurisdiction }: ConfiguredBucket): string[] {
	return jurisdiction === null ? [] : ['--jurisdiction', jurisdiction];
}

/** The values that wrangler prints behind a label. */
function valuesOf(text: string, label: string): string[] {
	return [...text.matchAll(new RegExp(`^${label}: +(.*?) *$`, 'gm'))].map(
		([, value = '']) => value,
	);
}

/** The text is put back unless wrangler reads the new id from it. */
async function writeId(path: string, binding: string, id: string): Promise<void> {
	const before = readFileSync(path, 'utf8');
	const after = isId(id) ? setDatabaseId(before, binding, id) : null;
	if (after !== null) writeFileSync(path, after);
	const read = await readConfiguration().catch(() => null);
	if (read && databaseOf(read, binding).id === id && isId(id)) return;
	writeFileSync(path, before);
	throw new LifeboatError(`The id of the database, ${id}, could not be written into ${path}.`, {
		code: 'deploy_not_ready',
		status: 400,
		hint: `Put it there as the database_id of ${binding}, and run this again.`,
	});
}

function otherAccount(name: string, id: string): LifeboatError {
	return new LifeboatError(`This account has no D1 database with the id of ${name}, ${id}.`, {
		code: 'deploy_not_ready',
		status: 400,
		hint: "If it is of another account, remove the id from wrangler's configuration: the next run makes a database here.",
	});
}
