import type { Engine } from './backup/index.ts';
import type { BackupSettings } from './config.ts';

/** The engine, with the clock of the platform. */
export function engineOf({ database, bucket }: BackupSettings): Engine {
	return { database, bucket, now: Date.now, sleep };
}

function sleep(milliseconds: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
