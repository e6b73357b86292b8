import { OTHER_SECRET, SECRET } from './backup-run.ts';
import { cells, type Context, job, readWorkflow, type Run, runJob } from './runner.ts';

/** The workflow restore-drill.yml and its job. */
export const workflow = await readWorkflow('restore-drill.yml');
export const drill = job(workflow, 'drill');

/** Runs the drill. Throws when its log or summary contains a secret. */
export async function runDrill(url: string, context: Context = {}): Promise<Run> {
	const given = { vars: { BACKUP_URL: url }, secrets: { TOTP_SECRET: SECRET }, ...context };
	const run = await runJob(drill, given);
	for (const secret of [SECRET, OTHER_SECRET]) {
		if ((run.output + run.summary).includes(secret)) throw new Error(`The log has ${secret}.`);
	}
	return run;
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
