import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '../../lib/server/backup/format/manifest.ts';
import { openManifest } from '../../lib/server/backup/format/signature.ts';
import { backupKeys } from '../../lib/server/backup/settings.ts';
import { decoded } from '../../lib/server/backup/storage/codec.ts';
import type { BackupApi } from '../client/api.ts';
import { readEnvFile } from '../secrets/dotenv.ts';
import { identitiesFor } from '../secrets/keys.ts';
import { count } from '../terminal/text.ts';
import type { Steps } from './steps.ts';

/** A volume as its backup's manifest describes it. */
export type Volume = Manifest['volumes'][number];

/** Makes a backup over HTTP, downloads its volumes into a folder, and returns its manifest. */
export async function backUp(steps: Steps, api: BackupApi, folder: string): Promise<Manifest> {
	const { name } = await steps.take(
		'back up',
		'POST /api/backup, with a one-time code',
		() => api.create({ full: true }), // whose volumes are the whole SQL
		({ rows, sqlBytes }) => `${count(rows)} rows, ${count(sqlBytes)} bytes of SQL`,
	);
	await steps.take(
		'list',
		'GET /api/backup',
		async () => {
			const backups = await api.list();
			if (backups[0]?.name !== name) throw new Error(`The list does not begin with ${name}.`);
			return backups;
		},
		(backups) => `${backups.length} listed, this one first`,
	);
	return steps.take(
		'fetch',
		'GET /api/backup/FILE',
		() => download(api, name, folder),
		({ volumes }) => {
			const bytes = volumes.reduce((sum, volume) => sum + volume.bytes, 0);
			const files = volumes.length === 1 ? '' : ` in ${volumes.length} files`;
			return `${count(bytes)} bytes${files}, SHA-256 as in the manifest`;
		},
	);
}

/** Writes downloaded volumes as one file of SQL into their folder, and returns its path. */
export async function decode(steps: Steps, volumes: Volume[], folder: string): Promise<string> {
	const file = join(folder, 'backup.sql');
	const encodings = volumes[0]?.encodings ?? [];
	await steps.take(
		'decode',
		encodings.toReversed().join(', ') || 'as it is stored',
		async () => {
			for (const { key, encodings: own } of volumes) {
				const identities = identitiesFor(own, { unsigned: false });
				const stored = createReadStream(join(folder, key));
				await pipeline(decoded(stored, own, identities), createWriteStream(file, { flags: 'a' }));
			}
		},
		() => 'plain SQL',
	);
	return file;
}

async function download(api: BackupApi, name: string, folder: string): Promise<Manifest> {
	const { manifest } = openManifest(await api.manifest(name), backupKeys(readEnvFile()));
	for (const volume of manifest.volumes) {
		const sha256 = await api.download(volume.key, join(folder, volume.key), volume.bytes);
		if (sha256 === volume.sha256) continue;
		throw new Error('The SHA-256 of the downloaded file differs from that in the manifest.');
	}
	return manifest;
}
