/** Waits for so many milliseconds. */
export type Sleep = (milliseconds: number) => Promise<void>;

/**
 * Makes a call until it succeeds. `pauseAfter` gets the error of each failed try and its number, from
 * 1; it returns the milliseconds to wait before the next try, or null to give up. Throws the last
 * error, or what `pauseAfter` or `sleep` throws.
 */
export async function retry<T>(
	call: () => Promise<T>,
	pauseAfter: (error: unknown, tries: number) => number | null,
	sleep: Sleep,
): Promise<T> {
	for (let tries = 1; ; tries++) {
		try {
			return await call();
		} catch (error) {
			const pause = pauseAfter(error, tries);
			if (pause === null) throw error;
			await sleep(pause);
		}
	}
}
