/** Waits for a number of milliseconds. */
export type Sleep = (milliseconds: number) => Promise<void>;

/** Waits by the platform's clock. */
export const sleep: Sleep = (milliseconds) =>
	new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * How long to wait before the next try, in milliseconds, or null to give up. Gets the error of the try
 * that failed and its number, from 1.
 */
export type PauseAfter = (error: unknown, tries: number) => number | null;

/**
 * Makes a call until it succeeds or `pauseAfter` gives up. Throws the last error, or what `pauseAfter`
 * or `wait` throws.
 */
export async function retry<T>(
	call: () => Promise<T>,
	pauseAfter: PauseAfter,
	wait: Sleep,
): Promise<T> {
	for (let tries = 1; ; tries++) {
		try {
			return await call();
		} catch (error) {
			const pause = pauseAfter(error, tries);
			if (pause === null) throw error;
			await wait(pause);
		}
	}
}
