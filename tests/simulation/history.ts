import fc from 'fast-check';
import type { Code } from './engine.ts';
import { TABLES } from './database.ts';
import type { BackupStep } from '../../src/lib/server/backup/engine.ts';
import type { Fate, Worker } from './worker.ts';
import { type App, type Setting, World } from './world.ts';

/** An event. Numbers choose among what exists, counted from the newest. */
type Action =
	/** A caller starts a backup, sends one of its tickets, or resends an old one. */
	| { do: 'start'; app: number }
	| { do: 'resume'; app: number; ticket: number }
	/** A Worker makes this many calls, the last of which may fail. */
	| { do: 'run'; worker: number; calls: number; fate: Fate }
	/**
	 * A caller makes steps until one is about to write a key with this ending; without an ending, it
	 * starts a step.
	 */
	| { do: 'approach'; app: number; ending: string | null }
	| { do: 'die'; worker: number; afterwards: boolean }
	/** A caller makes this many steps undisturbed, from its newest ticket or from the start. */
	| { do: 'steps'; app: number; steps: number }
	| { do: 'write'; app: number; tables: string[] }
	/** The next call fails because D1's object restarts, and another client writes before the retry. */
	| { do: 'restart'; app: number; worker: number; tables: string[] }
	| { do: 'wait'; minutes: number };

const small = fc.integer({ min: 0, max: 3 });
const app = fc.integer({ min: 0, max: 1 });
const tables = fc.subarray(TABLES, { minLength: 1 });
const calls = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 40 }));

const steps = fc.integer({ min: 1, max: 12 });
const minutes = fc.constantFrom(1, 6, 6, 16, 1500);
const fate = fc.constantFrom<Fate>('done', 'done', 'refused', 'lost');

const action: fc.Arbitrary<Action> = fc.oneof(
	fc.record({ do: fc.constant('start' as const), app }),
	fc.record({ do: fc.constant('resume' as const), app, ticket: small }),
	fc.record({ do: fc.constant('run' as const), worker: small, calls, fate }),
	fc.record({ do: fc.constant('die' as const), worker: small, afterwards: fc.boolean() }),
	fc.record({ do: fc.constant('steps' as const), app, steps }),
	fc.record({ do: fc.constant('write' as const), app, tables }),
	fc.record({ do: fc.constant('restart' as const), app, worker: small, tables }),
	fc.record({ do: fc.constant('wait' as const), minutes }),
);

/** An interrupted step of a backup, and what others do before its Worker continues. */
const interruption: fc.Arbitrary<Action[]> = fc
	.record({
		app,
		before: fc.integer({ min: 0, max: 4 }),
		ending: fc.option(fc.constantFrom('.manifest.json', '.sql', '.age', '.lock')),
		calls: fc.integer({ min: 0, max: 4 }),
		fate,
		meanwhile: fc.array(action, { maxLength: 2 }),
		minutes,
		changed: fc.option(tables),
		next: fc.constantFrom('start', 'resume'),
		steps,
		afterwards: fc.option(fc.boolean()),
	})
	.map(({ app: one, before, ending, next, afterwards, changed, ...rest }) => [
		...(before > 0 ? [{ do: 'steps' as const, app: one, steps: before }] : []),
		{ do: 'approach', app: one, ending },
		{ do: 'run', worker: 0, calls: rest.calls, fate: rest.fate },
		...(afterwards === null ? [] : [{ do: 'die' as const, worker: 0, afterwards }]),
		...rest.meanwhile,
		...(changed === null ? [] : [{ do: 'write' as const, app: one, tables: changed }]),
		{ do: 'wait', minutes: rest.minutes },
		...(next === 'start' ? [{ do: 'start' as const, app: one }] : []),
		{ do: 'run', worker: 0, calls: 60, fate: 'done' },
		{ do: 'steps', app: one, steps: rest.steps },
		{ do: 'run', worker: 0, calls: 60, fate: 'done' },
	]);

const scenes = fc.array(
	fc.oneof(
		action.map((one) => [one]),
		interruption,
	),
	{ minLength: 1, maxLength: 10, size: 'max' },
);

export const histories = fc.record({
	setting: fc.record<Setting>({
		locked: fc.boolean(),
		apps: fc.constantFrom(1, 1, 2),
		encrypted: fc.constantFrom(false, false, false, true),
		inUse: fc.constantFrom(false, false, false, true),
	}),
	actions: scenes.map((all) => all.flat()),
});

export type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

/**
 * Plays a history and checks the invariants after every action. Throws a `Violation` if one is broken.
 */
export async function live(code: Code, { setting, actions: all }: History): Promise<void> {
	const world = new World(code, setting);
	await world.begin();
	for (const action of all) {
		await happen(world, action);
		await world.check();
		await world.requireFuture();
	}
	await world.requireFuture({ inSteps: true });
}

async function happen(world: World, action: Action): Promise<void> {
	const waiting = world.workers.filter((worker) => worker.isWaiting);
	const worker = 'worker' in action ? waiting.at(-1 - action.worker) : undefined;
	const of = (index: number) => world.apps[index % world.apps.length] ?? world.apps[0];
	const chosen = 'app' in action ? of(action.app) : undefined;
	switch (action.do) {
		case 'start':
			if (chosen) await world.call(chosen, null);
			return;
		case 'resume': {
			const ticket = chosen?.tickets.at(-1 - action.ticket);
			if (chosen && ticket !== undefined) await world.call(chosen, ticket);
			return;
		}
		case 'run':
			for (let call = 1; call < action.calls; call++) await worker?.advance();
			if (action.calls > 0) await worker?.advance(action.fate);
			return;
		case 'approach':
			return chosen && approach(world, chosen, action.ending);
		case 'die':
			return worker?.die(action);
		case 'steps':
			return chosen && takeSteps(world, chosen, action.steps);
		case 'write':
			return chosen?.database.write(action.tables);
		case 'restart':
			chosen?.database.restart();
			await worker?.advance('refused');
			return chosen?.database.write(action.tables);
		case 'wait':
			world.wait(action.minutes * 60_000);
	}
}

/** More steps than any backup takes, including restarts. */
const MANY = 12;

/** Continues from the caller's last ticket, or starts over, until the backup is made or refused. */
async function takeSteps(world: World, chosen: App, most: number): Promise<void> {
	for (let step = 0; step < most; step++) {
		const worker = await world.call(chosen, chosen.next);
		while (worker.isWaiting) await worker.advance();
		if (!isOngoing(worker)) return forget(worker, chosen);
	}
}

async function approach(world: World, chosen: App, ending: string | null): Promise<void> {
	for (let step = 0; step < MANY; step++) {
		const worker = await world.call(chosen, chosen.next);
		if (ending === null) return;
		await worker.reach(ending);
		if (!isOngoing(worker)) return forget(worker, chosen);
	}
}

/** A caller whose ticket was refused starts over the next time. */
function forget({ outcome }: Worker<BackupStep>, chosen: App): void {
	if (outcome && 'error' in outcome) chosen.next = null;
}

/** Whether a step has ended with a ticket for the next. */
function isOngoing({ outcome }: Worker<BackupStep>): boolean {
	return outcome !== null && 'value' in outcome && 'resume' in outcome.value;
}
