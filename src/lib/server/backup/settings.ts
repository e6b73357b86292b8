import type { Engine } from './index.ts';
import {
	backupBudget,
	backupEncoding,
	backupKeys,
	backupSettings,
	type Environment,
} from '../environment.ts';

/** The engine, with the clock of the platform. Throws what its settings are wrong for. */
export function engineOf(env: Environment | undefined): Engine {
	const { database, bucket } = backupSettings(env);
	return { database, bucket, keys: backupKeys(env), now: Date.now, sleep };
}

/** The same with what the making of backups needs beside. Throws as {@link engineOf} does. */
export function backupEngineOf(env: Environment | undefined): Engine {
	return { ...engineOf(env), encoding: backupEncoding(env), budget: backupBudget(env) };
}

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
