import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { parse } from 'yaml';

/** Where GitHub looks for workflows. */
export const WORKFLOWS = '.github/workflows';

/** Scripts that are skipped, because the tests already have what they install. */
const INSTALL = /\bnpm ci$/;

export interface Step {
	name?: string;
	uses?: string;
	with?: Record<string, unknown>;
	env?: Record<string, string>;
	run?: string;
	shell?: string;
}

export interface Job {
	if?: string;
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
 * Runs the scripts of a job as GitHub's runner does, up to the first one that fails. actions/setup-node
 * puts the Node of these tests on the PATH, whose version must be the one that the step asks for.
 */
export async function runJob(job: Job, context: Context): Promise<Run> {
	const folder = await mkdtemp(join(tmpdir(), 'lifeboat-runner-'));
	const summary = join(folder, 'summary');
	const tools = join(folder, 'tools');
	await writeFile(summary, '');
	await mkdir(tools);
	const log = await open(join(folder, 'log'), 'w+');
	const path = context.env?.['PATH'] ?? runnerPath();
	const env = { GITHUB_STEP_SUMMARY: summary, ...context.env, PATH: tools + delimiter + path };
	try {
		let exitCode = 0;
		for (const step of job.steps) {
			if (exitCode !== 0) break;
			if (step.uses?.startsWith('actions/setup-node@')) await setUpNode(step, tools);
			exitCode = await runStep(step, { ...context, env }, log.fd);
		}
		const output = await readFile(join(folder, 'log'), 'utf8');
		const commands = output.split('\n').filter((line) => line.startsWith('::'));
		const errors = commands.flatMap(errorMessage);
		return { exitCode, output, commands, errors, summary: await readFile(summary, 'utf8') };
	} finally {
		await log.close();
		await rm(folder, { recursive: true });
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
async function runStep(step: Step, context: Context, log: number): Promise<number> {
	if (step.run === undefined || INSTALL.test(step.run)) return 0;
	const { NODE_COMPILE_CACHE } = process.env; // GitHub has none: it only saves time
	const env: NodeJS.ProcessEnv = { GITHUB_ACTIONS: 'true', NODE_COMPILE_CACHE, ...context.env };
	for (const [name, text] of Object.entries(step.env ?? {})) env[name] = expand(text, context);
	// What `shell: bash` means: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
	const options = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run];
	const child = spawn('bash', options, { env, stdio: ['ignore', log, log] });
	const [code] = (await once(child, 'close')) as [number];
	return code;
}

/** Replaces the expressions in `${{ }}`. As on GitHub, what is not set is empty. */
function expand(text: string, context: Context): string {
	return text.replace(/\$\{\{ (.+?) \}\}/g, (_, expression: string) => {
		return String(evaluate(expression, context) ?? '');
	});
}

/** The value of an expression. Of GitHub's, the operators used here mean the same in JavaScript. */
export function evaluate(expression: string, context: Context): unknown {
	const { secrets = {}, vars = {}, github = {}, inputs = {} } = context;
	const given = { secrets, vars, github: { event: {}, ...github }, inputs };
	return runInNewContext(expression, given) as unknown;
}

function errorMessage(command: string): string[] {
	const [, data] = /^::error title=[^:]+::(.*)$/.exec(command) ?? [];
	return data === undefined ? [] : [data.replace(/%0D|%0A|%25/g, decodeURIComponent)];
}
