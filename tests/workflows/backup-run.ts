import { type Context, job, readWorkflow, type Run, runJob } from './runner.ts';

export const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
export const OTHER_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

const backup = job(await readWorkflow('backup.yml'), 'backup');

/** The settings of the workflow. */
export function context(url: string, secrets: Record<string, string> = {}): Context {
	return { vars: { BACKUP_URL: url }, secrets: { TOTP_SECRET: SECRET, ...secrets } };
}

/** Runs the backup job. Throws when its log or summary contains a secret, a code or a ticket. */
export async function runBackup(
	url: string,
	secrets: Record<string, string> = {},
	env: Record<string, string> = {},
	{ vars, github = {} }: Pick<Context, 'vars' | 'github'> = {},
): Promise<Run> {
	const given = context(url, secrets);
	const run = await runJob(backup, { ...given, vars: { ...given.vars, ...vars }, github, env });
	const legible = run.output.replace(/^::add-mask::.*$/gm, '') + run.summary;
	for (const secret of [SECRET, OTHER_SECRET, ...masked(run)]) {
		if (legible.includes(secret)) throw new Error(`The log has ${secret}:\n${run.output}`);
	}
	return run;
}

/** The values that the run masks in the log. */
export function masked({ commands }: Run): string[] {
	return commands.flatMap((command) => /^::add-mask::(.+)$/.exec(command)?.[1] ?? []);
}

/**
 * An environment that shortens a program's waits; maps the original milliseconds to the shortened ones.
 */
export function clock(waits: Record<number, number>): Record<string, string> {
	const url = new URL('quick-clock.js', import.meta.url);
	return { NODE_OPTIONS: `--import=${url}`, QUICK_CLOCK: JSON.stringify(waits) };
}
