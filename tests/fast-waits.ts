import { onTestFinished, vi } from 'vitest';

const FACTOR = 50;

/** Shortens every wait of the running test, whether by a timer or by a signal, to a fiftieth. */
export function shortenWaits(): void {
	const { setTimeout: wait } = globalThis;
	const timeout = AbortSignal.timeout.bind(AbortSignal);
	const timers = vi
		.spyOn(globalThis, 'setTimeout')
		.mockImplementation(((callback: () => void, milliseconds = 0) =>
			wait(callback, milliseconds / FACTOR)) as typeof setTimeout);
	const signals = vi
		.spyOn(AbortSignal, 'timeout')
		.mockImplementation((milliseconds) => timeout(milliseconds / FACTOR));
	onTestFinished(() => {
		timers.mockRestore();
		signals.mockRestore();
	});
}
