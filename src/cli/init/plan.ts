import { join } from 'node:path';
import { type Bucket, namedDatabases, optionsFor } from './bindings.ts';
import { type Change, applyChange } from './change.ts';
import { type Config, editConfig, missing, otherEnvironments, readConfig } from './config.ts';
import { type Edit, editOf, readText } from './edits.ts';
import { formatted } from './format.ts';
import { linesByHand, usedOptions, wireHooks } from './hooks.ts';
import { withIgnored } from './ignore.ts';
import { folderInRepository, type Project, readProject } from './project.ts';
import { appWorkflow, WORKFLOWS } from './workflows.ts';

/** What `init` does to an app. */
export interface Plan {
	project: Project;
	config: Config;
	/** The bindings of the databases, by name. */
	databases: Record<string, string>;
	bucket: Bucket;
	/** Whether the bucket is still to be made. */
	isNewBucket: boolean;
	edits: Edit[];
	/** What somebody has to do by hand: a sentence, and lines. */
	byHand: string[];
}

/**
 * Everything that `init` would change in the app of a folder; nothing is written. `secrets` is the file of the
 * app's secrets. Throws the errors of {@link readProject}, {@link readConfig} and {@link withIgnored}.
 */
export async function plan(folder: string, secrets: string): Promise<Plan> {
	const project = readProject(folder);
	const config = readConfig(folder);
	const hooks = readText(join(folder, project.hooks));
	const app = typeof config.values['name'] === 'string' ? config.values['name'] : project.name;
	const used = usedOptions(hooks);
	const { bucket, isNew, changes } = missing(config, app, used.bucket);
	const databases = used.databases ?? namedDatabases(config.databases);
	const byHand: string[] = [];
	const edits = [
		...hookEdits(project, optionsFor(databases, bucket.binding), byHand),
		...configEdits(project, config, changes, byHand),
		...workflowEdits(project, byHand),
	];
	for (const edit of edits)
		edit.after = await formatted(folder, edit.name, edit.before, edit.after);
	edits.push(
		...editOf('.gitignore', join(folder, '.gitignore'), () => withIgnored(folder, secrets)),
	);
	noteEnvironments(config, bucket, byHand);
	return { project, config, databases, bucket, isNewBucket: isNew, edits, byHand };
}

function hookEdits(
	project: Project,
	options: ReturnType<typeof optionsFor>,
	byHand: string[],
): Edit[] {
	const { folder, hooks } = project;
	return editOf(hooks, join(folder, hooks), (text) => {
		const wired = wireHooks(text, options);
		if (wired === null) {
			byHand.push(`${hooks} has a form that this does not change. Put Lifeboat's handle first:`);
			byHand.push(...linesByHand(options).map((line) => `  ${line}`));
		}
		return wired;
	});
}

function configEdits(
	{ folder }: Project,
	config: Config,
	changes: Change[],
	byHand: string[],
): Edit[] {
	return editOf(config.file, join(folder, config.file), () => {
		const edited = editConfig(config, changes);
		if (edited === null) {
			byHand.push(`${config.file} has a form that this does not change. Add these settings:`);
			byHand.push(`  ${JSON.stringify(changes.reduce(applyChange, {}))}`);
		}
		return edited;
	});
}

/** One that exists stays as it is: somebody may have changed its schedule. */
function workflowEdits(project: Project, byHand: string[]): Edit[] {
	const up = folderInRepository(project)
		.split('/')
		.filter(Boolean)
		.map(() => '../')
		.join('');
	return WORKFLOWS.flatMap((file) => {
		const name = `.github/workflows/${file}`;
		return editOf(`${up}${name}`, join(project.root, name), (text) => {
			if (text === null) return appWorkflow(file, project);
			if (!text.includes('lifeboat')) {
				byHand.push(`${name} exists and is not Lifeboat's: rename it, and run this again.`);
			}
			return text;
		});
	});
}

function noteEnvironments(config: Config, bucket: Bucket, byHand: string[]): void {
	for (const name of otherEnvironments(config)) {
		byHand.push(
			`The environment ${name} in ${config.file} has bindings of its own. To back it up too, bind a bucket of its own there as ${bucket.binding}.`,
		);
	}
}
