import { WorkflowEntrypoint } from 'cloudflare:workers';
import type { Lifeboat } from './index.ts';

/** The parts of a Workflow's step that Lifeboat uses (Workflows > Workers API > WorkflowStep). */
interface Step {
	do<T>(name: string, config: object, callback: () => Promise<T>): Promise<T>;
	sleep(name: string, milliseconds: number): Promise<void>;
}

/** What an instance is started with; `create()` may leave the payload out. */
interface Event {
	payload?: { chain?: string; number?: number; wait?: number };
	instanceId: string;
}

/** A class for a Worker to export, which its configuration names. */
export type BackupWorkflow = new (
	context: never,
	env: never,
) => { run(event: Event, step: Step): Promise<void> };

/** The tries of a turn that is killed outlast its lock, which expires after five minutes. */
const TRIES = {
	retries: { limit: 5, delay: '30 seconds', backoff: 'exponential' },
	timeout: '15 minutes',
};

/**
 * The class of a Cloudflare Workflow that goes on with the backups of all databases until they are made
 * and drilled, with nobody calling. `scheduled` starts it where it has the binding BACKUP_WORKFLOW.
 *
 * All steps of an instance share one limit of calls (Workflows > Limits > subrequests per instance), and
 * a step of a backup uses most of it. So each instance takes one turn and starts the next instance. A
 * step may run twice (Workflows > Rules of Workflows): the lock of the backup and the plan in the bucket
 * tell the second one what is left to do.
 *
 * ```ts
 * export const BackupWorkflow = backupWorkflow(backups);
 * ```
 */
export function backupWorkflow({ unattended }: Pick<Lifeboat, 'unattended'>): BackupWorkflow {
	class Chained extends WorkflowEntrypoint<object> {
		override async run({ payload = {}, instanceId }: Event, step: Step): Promise<void> {
			const { chain = instanceId, number = 1, wait = 0 } = payload;
			const { env } = this;
			if (wait > 0) await step.sleep('wait', wait);
			const turn = await step
				.do('take a turn', TRIES, () => unattended.turn(env))
				.catch(async (error: unknown) => {
					await step.do('send an alert', TRIES, () => unattended.alert(env, String(error)));
					throw error;
				});
			if (turn.wait !== null) {
				const leg = { chain, number: number + 1, wait: turn.wait };
				await step.do('start the next instance', TRIES, () => unattended.start(env, leg));
			}
			if (turn.failure !== null) throw new Error(turn.failure);
		}
	}
	return Chained as unknown as BackupWorkflow;
}
