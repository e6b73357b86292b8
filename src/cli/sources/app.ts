import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';
import { apiOf, type BackupApi } from '../client/api.ts';
import { readSetting } from '../secrets/dotenv.ts';
import type { KeyOptions } from '../secrets/keys.ts';
import { type Context, temporaryFolder } from '../terminal/command.ts';
import { type Backup, fromFiles, noBackup, readManifest, requireOwn } from './backup.ts';
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
	const { manifest } = opened;
	const folder = temporaryFolder();
	const total = manifest.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
	progress.step(`fetch: ${name}`);
	let before = 0;
	for (const { key, bytes } of manifest.volumes) {
		requireOwn(manifest, key);
		const onProgress = (done: number) => progress.bytes(before + done, total);
		await api.download(key, join(folder, key), bytes, onProgress).catch((error: unknown) => {
			const code = error instanceof LifeboatError ? error.code : '';
			// The verification reports it, so that a drill can record it.
			if (code !== 'backup_not_found' && code !== 'backup_damaged') throw error;
		});
		before += bytes;
	}
	return fromFiles(name, { ...opened, open: (key) => readFile(join(folder, key), signal) });
}

/**
 * The manifest of a backup as the app at `from`, or at BACKUP_URL, has stored it; null if neither is set.
 * Throws what the API throws.
 */
export async function fetchManifest(
	name: string,
	{ from, database }: { from: string | undefined; database: string | undefined },
	{ signal, progress }: Context,
): Promise<string | null> {
	if ((from ?? readSetting('BACKUP_URL')) === '') return null;
	progress.step(`fetch: the manifest of ${name}`);
	return apiOf(from, signal, database).manifest(name);
}
