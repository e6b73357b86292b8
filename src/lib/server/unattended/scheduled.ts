import { messageOf, toLifeboatError } from '../errors.ts';
import { recordOwn, type Self, unattendedFailed } from './self.ts';
import { handOver, takeTurn } from './turn.ts';

/** The binding of a Workflow (Workflows > Workers API > Workflow). */
export interface WorkflowBinding {
	create(options: { id: string; params: Leg }): Promise<unknown>;
}

/** What an instance of the Workflow is started with. */
export interface Leg {
	/** The name that its instances share. */
	chain: string;
	/** The number of this instance, from 1. */
	number: number;
	/** Milliseconds to wait first. */
	wait: number;
}

/**
 * A tick of the schedule: takes a turn. If that leaves work, a Workflow goes on at once, where the app
 * has one, and the next tick where it has none.
 *
 * Throws LifeboatError if something failed, so that the platform shows the tick as failed: alerts were
 * sent by then, if their settings could be read.
 */
export async function runScheduled(
	self: Self,
	workflow: WorkflowBinding | undefined,
	scheduledTime: number,
): Promise<void> {
	const { wait, failure } = await tick(self);
	if (workflow && wait !== null) {
		await handOver(self, wait);
		const chain = `lifeboat-${new Date(scheduledTime).toISOString().replace(/\W/g, '-')}`;
		await startLeg(workflow, { chain, number: 1, wait });
	}
	if (failure !== null) throw unattendedFailed(failure);
}

async function tick(self: Self): ReturnType<typeof takeTurn> {
	try {
		return await takeTurn(self, 'tick');
	} catch (error) {
		const { code, status } = toLifeboatError(error);
		await recordOwn(self, { operation: 'tick', outcome: 'failed', code, status });
		throw error;
	}
}

/** Starts an instance of the Workflow, unless it was started before: a step may run twice. */
export async function startLeg(workflow: WorkflowBinding, leg: Leg): Promise<void> {
	try {
		await workflow.create({ id: `${leg.chain}-${leg.number}`, params: leg });
	} catch (error) {
		if (!/already.exists/i.test(messageOf(error))) throw error;
	}
}
