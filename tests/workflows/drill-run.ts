import { OTHER_SECRET, SECRET } from './backup-run.ts';
import { cells, type Context, readWorkflow, type Run, runWorkflow } from './runner.ts';

/** The workflow restore-drill.yml. */
export const workflow = await readWorkflow('restore-drill.yml');

/** Of a run after the Backup workflow. */
const AFTER_BACKUP = {
	repository: { default_branch: 'main' },
	workflow_run: { conclusion: 'success', head_branch: 'main' },
};

/** Runs the workflow, by hand unless the context says otherwise. Throws when it shows a secret. */
export async function runDrill(url: string, context: Context = {}): Promise<Run> {
	const given = { vars: { BACKUP_URL: url }, secrets: { TOTP_SECRET: SECRET }, ...context };
	const github = { event_name: 'workflow_dispatch', event: AFTER_BACKUP, ...context.github };
	const run = joined(Object.values(await runWorkflow(workflow, { ...given, github })));
	refuseSecrets(run);
	return run;
}

/** Throws when a log or summary contains a secret. */
export function refuseSecrets(run: Run): void {
	for (const secret of [SECRET, OTHER_SECRET]) {
		if ((run.output + run.summary).includes(secret)) throw new Error(`The log has ${secret}.`);
	}
}

/** The runs of several jobs as one, which failed if one of them did. */
function joined(runs: Run[]): Run {
	return {
		exitCode: runs.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0,
		output: runs.map(({ output }) => output).join(''),
		commands: runs.flatMap(({ commands }) => commands),
		errors: runs.flatMap(({ errors }) => errors),
		summary: runs.map(({ summary }) => summary).join(''),
		outputs: Object.assign({}, ...runs.map(({ outputs }) => outputs)) as Run['outputs'],
	};
}

/** The rows of a summary, with Markdown escapes removed. */
export function plainCells(summary: string): Record<string, string> {
	const entries = Object.entries(cells(summary));
	return Object.fromEntries(entries.map(([name, text]) => [name, unescape(text)]));
}

/** The differences or warnings that a summary lists, with Markdown escapes removed. */
export function textsIn(summary: string, name: 'Difference' | 'Warning'): string[] {
	const rows = summary.matchAll(/^\| (\w+) \| (.*) \|$/gm);
	return [...rows].flatMap(([, title, text = '']) => (title === name ? [unescape(text)] : []));
}

function unescape(markdown: string): string {
	return markdown.replace(/\\([!-/:-@[-`{-~])/g, '$1');
}
