import { env } from 'cloudflare:workers';
import { expect } from 'vitest';
import { clock, engine } from './backups.ts';
import { operationsOn } from './operations.ts';
import { receivedAlerts, receiver } from './receivers.ts';
import { startBackup } from '../src/lib/server/backup/index.ts';
import { type BackupStep } from '../src/lib/server/backup/engine.ts';
import { LifeboatError } from '../src/lib/server/errors.ts';
import type { Operations } from '../src/lib/server/operations/index.ts';
import { readAuditLog } from '../src/lib/server/operations/audit-log.ts';
import { watchBackup } from '../src/lib/server/operations/watch.ts';

// Monitored operations, and what their receivers are sent.

export function operations(
	changes: Partial<Operations['settings']> = {},
): Operations & { webhook: URL } {
	const webhook = receiver();
	return { webhook, ...operationsOn(() => clock.now, { webhook, ...changes }) };
}

export const backUp = (operations: Operations, changes = {}): Promise<BackupStep> =>
	watchBackup(
		operations,
		() => {},
		({ report }) => startBackup(engine(changes), report),
	);

export function refused(code: string, status = 500): LifeboatError {
	return new LifeboatError('It failed.', { code, status, hint: 'Do this.' });
}

/** Fails as a backup can. */
export async function fail(
	operations: Operations,
	code = 'database_error',
	status = 500,
): Promise<void> {
	const outcome = watchBackup(
		operations,
		() => {},
		() => Promise.reject(refused(code, status)),
	);
	await expect(outcome).rejects.toMatchObject({ code });
}

export const journal = async () => (await readAuditLog(env.MY_BUCKET, { limit: 100 })).entries;

export const kinds = async (url: URL) => (await receivedAlerts(url)).map(({ kind }) => kind);
