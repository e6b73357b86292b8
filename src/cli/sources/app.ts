import { join } from 'node:path';
import type { Manifest } from '../../lib/server/backup/format/manifest.ts';
import type { Parent } from '../../lib/server/backup/format/parent.ts';
import type { BackupFiles } from '../../lib/server/backup/prove/files.ts';
import { volumesOf } from '../../lib/server/backup/prove/parts.ts';
import type { StoredVolume } from '../../lib/server/backup/storage/volume.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { apiOf, type BackupApi } from '../client/api.ts';
import { readSetting } from '../secrets/dotenv.ts';
import type { KeyOptions } from '../secrets/keys.ts';
import { type Context, temporaryFolder } from '../terminal/command.ts';
import {
	type Backup,
	fromFiles,
	noBackup,
	readManifest,
	readParent,
	requireOwn,
} from './backup.ts';
import { readFile } from './disk.ts';

/**
 * Downloads a backup by its name, or the newest one for `latest`, into a folder that is removed when
 * the process ends. Throws `backup_not_found` (404), what the API throws, and before any download what
 * {@link readManifest} throws.
 */
export async function fetchBackup(
	api: BackupApi,
	word: string,
	keys: KeyOptions,
	context: Context,
): Promise<Backup> {
	const { progress, signal } = context;
	const name = word === 'latest' ? (await api.list())[0]?.name : word;
	if (name === undefined) throw noBackup();
	const opened = readManifest(await api.manifest(name), name, keys, context);
	const parent = await fetchParent(api, opened.manifest, keys, context);
	const chain = { ...opened, parent };
	const folder = temporaryFolder();
	for (const { key } of opened.manifest.volumes) requireOwn(opened.manifest, key);
	progress.step(`fetch: ${name}`);
	await download(api, volumesOf(chain), folder, context);
	const open: BackupFiles['open'] = (key, range) => readFile(join(folder, key), signal, range);
	return fromFiles(name, { ...chain, open });
}

/** The parent of a differential as the app has it; null for a full backup. */
async function fetchParent(
	api: BackupApi,
	manifest: Manifest,
	keys: KeyOptions,
	context: Context,
): Promise<Parent> {
	if (manifest.parent === null) return null;
	context.progress.step(`fetch: the manifest of ${manifest.parent}`);
	const text = await api.manifest(manifest.parent).catch((error: unknown) => {
		if (codeOf(error) === 'backup_not_found') return undefined;
		throw error;
	});
	return readParent(manifest, text, keys, context);
}

/** Downloads volumes into a folder. */
async function download(
	api: BackupApi,
	volumes: StoredVolume[],
	folder: string,
	{ progress }: Context,
): Promise<void> {
	const total = volumes.reduce((sum, { bytes }) => sum + bytes, 0);
	let before = 0;
	for (const { key, bytes } of volumes) {
		const onProgress = (done: number) => progress.bytes(before + done, total);
		await api.download(key, join(folder, key), bytes, onProgress).catch((error: unknown) => {
			const code = codeOf(error);
			// The verification reports it, so that a drill can record it.
			if (code !== 'backup_not_found' && code !== 'backup_damaged') throw error;
		});
		before += bytes;
	}
}

function codeOf(error: unknown): string {
	return error instanceof LifeboatError ? error.code : '';
}

/** An app: its address, if it is not BACKUP_URL, and one of its databases. */
export interface AppPlace {
	from: string | undefined;
	database: string | undefined;
}

/**
 * The manifest of a backup as the app at `from`, or at BACKUP_URL, has stored it; null if neither is set.
 * Throws what the API throws.
 */
export async function fetchManifest(
	name: string,
	{ from, database }: AppPlace,
	{ signal, progress }: Context,
): Promise<string | null> {
	if ((from ?? readSetting('BACKUP_URL')) === '') return null;
	progress.step(`fetch: the manifest of ${name}`);
	return apiOf(from, signal, database).manifest(name);
}
