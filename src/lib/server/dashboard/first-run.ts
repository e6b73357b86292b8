import type { FirstRunId, FirstRunStep } from '../../components/types.ts';
import { type Environment, placeOf, text, totpOf } from '../environment.ts';
import type { LogEntry } from '../../components/types.ts';
import type { ListedBackup } from '../backup/format/manifest.ts';
import { isProven } from '../operations/health.ts';

/** What is known beyond the settings; nothing while secret or bucket are missing. */
export interface Progress {
	backups: readonly ListedBackup[];
	log: readonly LogEntry[];
}

/** A step before it is known which one is next. */
interface Check {
	id: FirstRunId;
	isDone: boolean;
	optional: boolean;
	done: string;
	missing: string;
	command: string | null;
}

/** What a first run leads through, each step checked against the settings and the bucket. Pure. */
export function firstRunOf(env: Environment, progress: Progress): FirstRunStep[] {
	const checks = [
		...settingChecks(env),
		...backupChecks(env, progress),
		...lastChecks(env, progress),
	];
	const next = checks.find(({ isDone, optional }) => !isDone && !optional) ?? checks.find(isOpen);
	return checks.map((check) => {
		const { id, isDone, optional, done, missing, command } = check;
		return {
			id,
			state: isDone ? 'done' : check === next ? 'next' : 'missing',
			optional,
			sentence: isDone ? done : missing,
			command: isDone ? null : command,
		};
	});
}

/** Whether nothing that a proven backup needs is missing. */
export function isSetUp(steps: readonly FirstRunStep[]): boolean {
	return steps.every(({ state, optional }) => state === 'done' || optional);
}

function isOpen({ isDone }: Check): boolean {
	return !isDone;
}

function settingChecks(env: Environment): Check[] {
	const { MY_BUCKET } = placeOf(env).bindings;
	return [
		{
			...{ id: 'secret', isDone: isSecret(env), optional: false, command: 'npm run setup' },
			done: 'TOTP_SECRET is set: codes are made from it.',
			missing: 'TOTP_SECRET is missing or not valid: no code can be checked.',
		},
		{
			...{ id: 'bucket', isDone: env.MY_BUCKET !== undefined, optional: false },
			done: `The bucket is bound as ${MY_BUCKET}.`,
			missing: `No bucket is bound as ${MY_BUCKET}. Make one, and add it to wrangler's configuration.`,
			command: 'npx wrangler r2 bucket create lifeboat-backups',
		},
		{
			...{ id: 'key', isDone: text(env, 'BACKUP_MAC_KEY') !== null, optional: true },
			done: 'BACKUP_MAC_KEY signs the manifests.',
			missing: 'BACKUP_MAC_KEY is not set: TOTP_SECRET signs, which phones and GitHub know too.',
			command: 'npm run setup',
		},
		{
			...{ id: 'encryption', isDone: text(env, 'BACKUP_AGE_RECIPIENTS') !== null, optional: true },
			done: 'Backups are encrypted with age.',
			missing: 'Backups are not encrypted: everyone who can read the bucket can read the data.',
			command: 'npm run setup',
		},
	];
}

function backupChecks(
	{ DRILL_DB, BACKUP_AGE_RECIPIENTS }: Environment,
	{ backups }: Progress,
): Check[] {
	const byApp = DRILL_DB !== undefined && !BACKUP_AGE_RECIPIENTS?.trim();
	return [
		{
			...{ id: 'backup', isDone: backups.length > 0, optional: false, command: null },
			done: 'There is a backup.',
			missing: 'There is no backup yet: make one with the button "Back up now".',
		},
		{
			...{ id: 'drill', isDone: backups.some(isProven), optional: false },
			done: 'A backup is proven.',
			missing: `No backup is proven yet: open one, and ${byApp ? 'drill' : 'verify'} it.`,
			command: byApp ? null : 'npm run drill',
		},
	];
}

function lastChecks(env: Environment, { log }: Progress): Check[] {
	const isScheduled = log.some(
		({ operation, outcome, caller }) =>
			/^(backup|resume)/.test(operation) &&
			outcome === 'done' &&
			(caller.kind === 'token' || caller.kind === 'app'),
	);
	return [
		{
			...{ id: 'schedule', isDone: isScheduled, optional: true, command: 'npx lifeboat deploy' },
			done: 'A schedule makes backups.',
			missing: 'No schedule has made a backup yet.',
		},
		{
			...{ id: 'alerts', isDone: text(env, 'ALERT_WEBHOOK_URL') !== null, optional: true },
			done: 'Alerts are sent to your webhook.',
			missing: 'Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.',
			command: 'npx wrangler pages secret put ALERT_WEBHOOK_URL',
		},
	];
}

function isSecret(env: Environment): boolean {
	const secret = text(env, 'TOTP_SECRET');
	try {
		return secret !== null && totpOf(secret, 'TOTP_SECRET') !== null;
	} catch {
		return false;
	}
}
