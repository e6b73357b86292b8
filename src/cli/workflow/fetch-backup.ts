// Fetches a backup into the folder that it is given, for .github/workflows/restore-drill.yml: its manifest
// and its volumes as they are stored, and those of the full backup on which a differential rests. BACKUP is
// a name or `latest`; with UNLESS_DRILLED=yes a backup that a drill has proven is left alone. DATABASE is the
// database; without it, UNLESS_DRILLED takes one of the app's whose newest backup was not drilled yet, so that
// each has its turn. Name and database become the outputs `backup` and `database` of the step. Nothing is
// verified here: the next job does that. This one installs nothing: nothing here may import a package.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { backupOfFile, isVolume, manifestKey } from '../../lib/server/backup/format/names.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { BackupApi } from '../client/api.ts';
import { callerSettings } from '../client/credentials.ts';
import { parseObject } from '../client/json.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { listedWarnings } from '../terminal/warnings.ts';
import { reportEarlier, reportFailure } from './drill-summary.ts';

/** GitHub ends the job after an hour. */
const TIME_LIMIT_MS = 58 * 60_000;
/** The codes of a file that is missing, or has another size. */
const DAMAGE = ['backup_not_found', 'backup_damaged', 'manifest_unreadable'];

const { BACKUP: word = 'latest', DATABASE, UNLESS_DRILLED } = process.env;
const [, , folder = ''] = process.argv;

try {
	await main();
} catch (error) {
	reportFailure(word, error);
}

async function main(): Promise<void> {
	const signal = AbortSignal.timeout(TIME_LIMIT_MS);
	const { api, database, newest } = await choose(signal);
	if (newest?.drilled?.proven && UNLESS_DRILLED === 'yes') {
		return reportEarlier(newest.name, newest.drilled.at, listedWarnings(newest));
	}
	const name = newest?.name ?? requireName(word);
	await fetchFiles(api, name);
	const outputs = `backup=${name}\ndatabase=${database ?? ''}\n`;
	appendFileSync(process.env['GITHUB_OUTPUT'] ?? '/dev/stdout', outputs);
}

/** A database of the app, and its newest backup; null if it is not the newest that was asked for. */
interface Choice {
	api: BackupApi;
	/** Undefined for the app's first one. */
	database: string | undefined;
	newest: ListedBackup | null;
}

/** Throws `backup_not_found` (404) if there is no newest backup. */
async function choose(signal: AbortSignal): Promise<Choice> {
	const of = (database?: string) =>
		new BackupApi(readSetting('BACKUP_URL'), callerSettings(), signal, database);
	const database = DATABASE || undefined;
	const api = of(database);
	if (word !== 'latest') return { api, database, newest: null };
	const { backups, databases = [] } = await api.page();
	const first = { api, database, newest: backups[0] ?? null };
	if (UNLESS_DRILLED !== 'yes' || database !== undefined || databases.length < 2) {
		return withNewest(first);
	}
	const others: Choice[] = [];
	for (const other of databases.slice(1)) {
		const [newest = null] = await of(other).list();
		others.push({ api: of(other), database: other, newest });
	}
	const choices = [first, ...others].filter(({ newest }) => newest !== null);
	// One that differed is drilled again only when all others were drilled.
	const undrilled = choices.find(({ newest }) => !newest?.drilled);
	return withNewest(undrilled ?? choices.find(({ newest }) => !newest?.drilled?.proven) ?? first);
}

function withNewest(choice: Choice): Choice {
	if (!choice.newest) throw notFound('The app has no backup yet.');
	requireName(choice.newest.name);
	return choice;
}

async function fetchFiles(api: BackupApi, name: string): Promise<void> {
	process.umask(0o077);
	mkdirSync(folder);
	const { manifest, parent } = await fetchManifest(api, name);
	await fetchVolumes(api, volumesIn(manifest, name));
	if (parent === null) return;
	await unlessDamaged(async () => {
		const full = await fetchManifest(api, parent);
		await fetchVolumes(api, volumesIn(full.manifest, parent));
	});
}

/** Stores the manifest of a backup; returns it with the name of the full backup on which it rests. */
async function fetchManifest(
	api: BackupApi,
	name: string,
): Promise<{ manifest: Record<string, unknown>; parent: string | null }> {
	const text = await api.manifest(name);
	writeFileSync(join(folder, manifestKey(name)), text);
	const manifest = parseObject(text);
	const { parent } = manifest;
	return { manifest, parent: typeof parent === 'string' ? requireName(parent) : null };
}

async function fetchVolumes(
	api: BackupApi,
	volumes: { key: string; bytes: number }[],
): Promise<void> {
	for (const { key, bytes } of volumes) {
		await unlessDamaged(() => api.download(key, join(folder, key), bytes));
	}
}

/** Leaves to the drill what is missing, or has another size. */
async function unlessDamaged(fetch: () => Promise<unknown>): Promise<void> {
	await fetch().catch((error: unknown) => {
		const isDamage = error instanceof LifeboatError && DAMAGE.includes(error.code);
		if (!isDamage) throw error;
	});
}

/** The volumes that a manifest names, with their bytes. Throws `manifest_unreadable` (500) for any other file. */
function volumesIn(
	manifest: Record<string, unknown>,
	name: string,
): { key: string; bytes: number }[] {
	const list = manifest['volumes'];
	const volumes = (Array.isArray(list) ? list : []).map((volume) => {
		return { key: String(volume?.key), bytes: Number(volume?.bytes) };
	});
	const isOwn = ({ key, bytes }: { key: string; bytes: number }) =>
		backupOfFile(key) === name && isVolume(key) && Number.isSafeInteger(bytes);
	if (volumes.length > 0 && volumes.every(isOwn)) return volumes;
	throw new LifeboatError(`The manifest of ${name} does not name its files.`, {
		code: 'manifest_unreadable',
		status: 500,
		hint: 'It was changed: use another backup.',
	});
}

/** Throws `backup_not_found` (404) for what cannot be the name of a backup. */
function requireName(name: string): string {
	if (backupOfFile(manifestKey(name)) === name) return name;
	throw notFound(`${name} is not the name of a backup.`);
}

function notFound(message: string): LifeboatError {
	const hint = 'Make a backup: gh workflow run backup.yml. Its summary has the name.';
	return new LifeboatError(message, { code: 'backup_not_found', status: 404, hint });
}
