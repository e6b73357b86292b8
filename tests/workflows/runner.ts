import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
	copyFile,
	cp,
	mkdir,
	mkdtemp,
	open,
	readFile,
	rm,
	symlink,
	writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { parse } from 'yaml';
import { projectFolder, removeFolder } from '../operator.ts';
import { type Before, evaluate, expand } from './expressions.ts';

/** Where GitHub looks for workflows. */
export const WORKFLOWS = '.github/workflows';

/** Scripts that are skipped, because the tests already have what they install. */
const INSTALL = /^npm ci\b/;

export interface Step {
	id?: string;
	name?: string;
	if?: string;
	uses?: string;
	with?: Record<string, unknown>;
	env?: Record<string, string>;
	run?: string;
	shell?: string;
}

export interface Job {
	needs?: string | string[];
	if?: string;
	environment?: string;
	outputs?: Record<string, string>;
	permissions?: Record<string, string>;
	'timeout-minutes'?: number;
	steps: Step[];
}

export interface Workflow {
	name: string;
	on: Record<string, unknown>;
	permissions?: Record<string, string>;
	concurrency?: { group: string; 'cancel-in-progress': boolean };
	defaults?: { run: { shell: string } };
	jobs: Record<string, Job>;
}

/** The inputs of a run. */
export interface Context {
	secrets?: Record<string, string>;
	vars?: Record<string, string>;
	github?: Record<string, unknown>;
	/** The inputs of workflow_dispatch. */
	inputs?: Record<string, string>;
	/** Variables that the runner itself sets. */
	env?: Record<string, string>;
	/** The secrets of environments, by name: only jobs that name one get them. */
	environments?: Record<string, Record<string, string>>;
	/** The jobs before this one. */
	needs?: Record<string, Before>;
	/** The folder with what jobs leave for each other; by default nothing is left. */
	artifacts?: string;
}

export interface Run {
	exitCode: number;
	/** The unmasked log. */
	output: string;
	/** The workflow commands in the output. */
	commands: string[];
	/** The messages of the errors among them. */
	errors: string[];
	/** The run's summary, in Markdown. */
	summary: string;
	/** Its outputs. */
	outputs: Record<string, string>;
}

/** Reads a workflow of this repository. */
export async function readWorkflow(file: string): Promise<Workflow> {
	return parse(await readFile(join(WORKFLOWS, file), 'utf8')) as Workflow;
}

/** A job of a workflow. Throws if there is no job with this name. */
export function job(workflow: Workflow, name: string): Job {
	const found = workflow.jobs[name];
	if (!found) throw new Error(`The workflow has no job ${name}.`);
	return found;
}

/** Every script of a workflow. */
export function scripts(workflow: Workflow): string[] {
	const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
	return steps.flatMap(({ run }) => (run === undefined ? [] : [run]));
}

/**
 * Runs the jobs of a workflow one after the other, as they need each other, and returns the runs of those
 * that were not skipped.
 */
export async function runWorkflow(
	workflow: Workflow,
	context: Context,
): Promise<Record<string, Run>> {
	const artifacts = await mkdtemp(join(tmpdir(), 'lifeboat-artifacts-'));
	const runs: Record<string, Run> = {};
	const needs: Record<string, Before> = {};
	try {
		for (const [name, one] of Object.entries(workflow.jobs)) {
			const given = { ...context, needs, artifacts };
			if (!isWanted(one, given)) {
				needs[name] = { outputs: {}, result: 'skipped' };
				continue;
			}
			const run = await runJob(one, given);
			runs[name] = run;
			needs[name] = { outputs: run.outputs, result: run.exitCode === 0 ? 'success' : 'failure' };
		}
	} finally {
		await rm(artifacts, { recursive: true });
	}
	return runs;
}

/** Without a status function in its condition, a job runs only if those that it needs succeeded. */
function isWanted({ if: condition = 'true', needs: names = [] }: Job, context: Context): boolean {
	const isLate = /\b(always|cancelled|failure)\(/.test(condition);
	const succeeded = [names].flat().every((name) => context.needs?.[name]?.result === 'success');
	return (isLate || succeeded) && Boolean(evaluate(condition, context));
}

/**
 * Runs the scripts of a job as GitHub's runner does, up to the first one that fails. actions/setup-node
 * puts the Node of these tests on the PATH, whose version must be the one that the step asks for;
 * the actions for artifacts copy files from and to the folder of artifacts.
 */
export async function runJob(job: Job, context: Context): Promise<Run> {
	const folder = await mkdtemp(join(tmpdir(), 'lifeboat-runner-'));
	const checkout = projectFolder();
	const summary = join(folder, 'summary');
	const tools = join(folder, 'tools');
	await writeFile(summary, '');
	await mkdir(tools);
	const log = await open(join(folder, 'log'), 'w+');
	const path = context.env?.['PATH'] ?? runnerPath();
	const own = { GITHUB_STEP_SUMMARY: summary, RUNNER_TEMP: folder };
	const env = { ...own, ...context.env, PATH: tools + delimiter + path };
	const secrets = { ...context.secrets, ...context.environments?.[job.environment ?? ''] };
	const given = { ...context, secrets, env };
	try {
		const steps: Record<string, Before> = {};
		const runner = { log: log.fd, tools, checkout };
		const exitCode = await runSteps(job.steps, { ...given, steps }, runner);
		const output = await readFile(join(folder, 'log'), 'utf8');
		const commands = output.split('\n').filter((line) => line.startsWith('::'));
		const outputs = Object.entries(job.outputs ?? {}).map(([name, text]) => {
			return [name, expand(text, { ...given, steps })];
		});
		return {
			exitCode,
			output,
			commands,
			errors: commands.flatMap(errorMessage),
			summary: await readFile(summary, 'utf8'),
			outputs: Object.fromEntries(outputs),
		};
	} finally {
		await log.close();
		removeFolder(checkout);
		await rm(folder, { recursive: true });
	}
}

/** What the steps of a job see; each adds its outputs to `steps`. */
interface JobContext extends Context {
	env: Record<string, string>;
	steps: Record<string, Before>;
}

/** What a job runs on. */
interface Runner {
	/** The file descriptor of its log. */
	log: number;
	/** A folder on its PATH. */
	tools: string;
	/** The repository as it is checked out: without the `.env` that somebody may have here. */
	checkout: string;
}

/** Returns the exit code of the last step that ran. */
async function runSteps(steps: Step[], context: JobContext, runner: Runner): Promise<number> {
	for (const [number, step] of steps.entries()) {
		if (step.if !== undefined && !evaluate(step.if, context)) continue;
		if (step.uses?.startsWith('actions/setup-node@')) await setUpNode(step, runner.tools);
		if (step.uses?.includes('-artifact@')) await copyArtifact(step, context);
		const file = join(context.env['RUNNER_TEMP'] ?? '', `output-${number}`);
		await writeFile(file, '');
		const env = { ...context.env, GITHUB_OUTPUT: file };
		const exitCode = await runStep(step, { ...context, env }, runner);
		const lines = (await readFile(file, 'utf8')).matchAll(/^(\w+)=(.*)$/gm);
		const outputs = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
		if (step.id !== undefined) context.steps[step.id] = { outputs };
		if (exitCode !== 0) return exitCode;
	}
	return 0;
}

/** Stands in for actions/upload-artifact and actions/download-artifact, with one file each. */
async function copyArtifact({ uses = '', with: options = {} }: Step, context: Context) {
	const { artifacts } = context;
	if (artifacts === undefined) return;
	const stored = join(artifacts, String(options['name']));
	const path = expand(String(options['path']), context);
	if (uses.includes('/upload-')) {
		await mkdir(stored);
		await copyFile(path, join(stored, basename(path)));
	} else {
		await cp(stored, path, { recursive: true });
	}
}

/** The rows of a Markdown table of two columns, as a summary has it, without the escapes. */
export function cells(table: string): Record<string, string> {
	const rows = [...table.matchAll(/^\| (.*?) \| (.*?) ?\|$/gm)].filter((row) => row[1] !== '---');
	const shown = (markdown: string) => markdown.replace(/\\([!-/:-@[-`{-~])/g, '$1');
	return Object.fromEntries(rows.map(([, name, text = '']) => [name, shown(text)]));
}

/** The PATH without npm's additions: on the runner no packages are installed. */
export function runnerPath(): string {
	const folders = (process.env['PATH'] ?? '').split(delimiter);
	return folders.filter((path) => !path.includes('node_modules')).join(delimiter);
}

/** Stands in for actions/setup-node. Throws when the step asks for another version. */
async function setUpNode(step: Step, folder: string): Promise<void> {
	const version = String(step.with?.['node-version']);
	if (process.version.split('.')[0] !== `v${version}`) {
		throw new Error(`These tests run in Node ${process.version}, the workflow in ${version}.`);
	}
	await symlink(process.execPath, join(folder, 'node'));
}

/** Returns the exit code, which is 0 for a step without a script. */
async function runStep(step: Step, context: Context, { log, checkout }: Runner): Promise<number> {
	if (step.run === undefined || INSTALL.test(step.run)) return 0;
	const { NODE_COMPILE_CACHE } = process.env; // GitHub has none: it only saves time
	const env: NodeJS.ProcessEnv = { GITHUB_ACTIONS: 'true', NODE_COMPILE_CACHE, ...context.env };
	for (const [name, text] of Object.entries(step.env ?? {})) env[name] = expand(text, context);
	// What `shell: bash` means: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
	const options = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run];
	const child = spawn('bash', options, { cwd: checkout, env, stdio: ['ignore', log, log] });
	const [code] = (await once(child, 'close')) as [number];
	return code;
}

function errorMessage(command: string): string[] {
	const [, data] = /^::error title=[^:]+::(.*)$/.exec(command) ?? [];
	return data === undefined ? [] : [data.replace(/%0D|%0A|%25/g, decodeURIComponent)];
}
