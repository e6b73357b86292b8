import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import type { BackupKey } from '../src/lib/server/backup/format/signature.ts';
import { GRACE_MS } from '../src/lib/server/backup/keep/marks.ts';
import type { Pruned } from '../src/lib/server/backup/keep/prune.ts';
import { changeSigned, signedKind } from '../src/lib/server/backup/keep/signed-state.ts';
import { backupKeys } from '../src/lib/server/backup/settings.ts';
import type { Environment } from '../src/lib/server/environment.ts';
import { POST } from '../src/lib/server/http/routes/backups.ts';
import { DELETE, POST as postFile } from '../src/lib/server/http/routes/file.ts';
import { readAuditLog } from '../src/lib/server/operations/audit-log.ts';
import { API, authorized, call, SECRET } from './calls.ts';
import { DAY, HOUR, store } from './retained.ts';

// Calls of the API about which backups stay, and what they need.

/** Signs as the app does. */
export const [signer] = backupKeys({ TOTP_SECRET: SECRET }) as [BackupKey];
/** A policy that keeps four backups, and may remove all others at once. */
export const KEEP_FOUR = { BACKUP_KEEP_LAST: '4', BACKUP_PRUNE_MAX_PERCENT: '100' };
export const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Backups of the last days, the newest an hour old, all proven. */
export async function storeRecent(count: number): Promise<string[]> {
	const names: string[] = [];
	for (let day = 0; day < count; day++) {
		names.push(await store(Date.now() - HOUR - day * DAY, { signer, drilled: true }));
	}
	return names;
}

/** Calls prune with a fresh code. */
export async function prune(
	body: object = {},
	changes: Partial<Environment> = KEEP_FOUR,
): Promise<Response> {
	const text = JSON.stringify({ action: 'prune', ...body });
	const init = { method: 'POST', headers: JSON_TYPE, body: text };
	return call(POST, await authorized(init), changes);
}

/** What prune answers. */
export const pruned = async (response: Response) =>
	(await response.json()) as Pruned & { success: boolean; dryRun: boolean };

/** Asks for a decision about a backup, with a fresh code. */
export async function decide(name: string, body: object, changes = KEEP_FOUR): Promise<Response> {
	const init = { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) };
	return call(postFile, await authorized(init, `${API}/${name}.manifest.json`), changes);
}

/** Asks for the removal of a backup, with a fresh code. */
export async function remove(
	name: string,
	changes: Partial<Environment> = KEEP_FOUR,
): Promise<Response> {
	const asked = await authorized({ method: 'DELETE' }, `${API}/${name}.manifest.json`);
	return call(DELETE, asked, changes);
}

/** Lets the grace of all marks be over. */
export async function age(): Promise<void> {
	const Marks = v.record(v.string(), v.looseObject({ at: v.number() }));
	const context = { bucket: env.MY_BUCKET, name: 'main', signer, keys: [signer], now: Date.now };
	await changeSigned(context, signedKind('marks', Marks, {}), (marks) =>
		Object.fromEntries(
			Object.entries(marks ?? {}).map(([name, mark]) => [
				name,
				{ ...mark, at: mark.at - GRACE_MS },
			]),
		),
	);
}

/** The audit log, newest first. */
export const log = async () => (await readAuditLog(env.MY_BUCKET, { limit: 100 })).entries;
