// Changes how long the timers of a program last, by QUICK_CLOCK: milliseconds -> milliseconds.
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

/** @type {Record<number, number>} */
const waits = JSON.parse(process.env['QUICK_CLOCK'] ?? '{}');
const { setTimeout: pause } = timers;
const { setTimeout: start } = globalThis;

timers.setTimeout = (delay = 0, ...rest) => pause(waits[delay] ?? delay, ...rest);
syncBuiltinESMExports();
globalThis.setTimeout = Object.assign(
	/** @type {(...args: Parameters<typeof start>) => ReturnType<typeof start>} */
	((callback, delay = 0, ...rest) => start(callback, waits[delay] ?? delay, ...rest)),
	start,
);
