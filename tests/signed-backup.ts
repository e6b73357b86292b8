import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Manifest, printManifest } from '../src/lib/server/backup/format/manifest.ts';
import { manifestKey, volumeKey } from '../src/lib/server/backup/format/names.ts';
import { deriveKey, signManifest } from '../src/lib/server/backup/format/signature.ts';
import { survey } from '../src/lib/server/backup/restore/survey.ts';

// Files as the app stores them, made without an app.

const STARTED_AT = '2026-11-22T21:52:00.000Z';
export const NAME = `full_backup_${STARTED_AT}`;

/** A dump with the first line that the app gives to its backups. */
export function titled(sql: Buffer): Buffer {
	const title = `-- Lifeboat full backup of D1 database "DB", ${STARTED_AT}`;
	return Buffer.from(sql.toString().replace(/^-- .*/, title));
}

/**
 * Writes a backup of one volume of this SQL, compressed with gzip, and its signed manifest into a folder.
 * Returns the path of the volume.
 */
export async function writeSigned(
	folder: string,
	sql: Buffer,
	macKey: string,
	database = 'DB',
): Promise<string> {
	const stored = gzipSync(sql);
	const key = volumeKey(NAME, 1, ['gzip']);
	writeFileSync(
		join(folder, manifestKey(NAME)),
		printManifest(await manifestOf(sql, stored, macKey, database)),
	);
	writeFileSync(join(folder, key), stored);
	return join(folder, key);
}

/** The signed manifest of a backup with one volume, which is stored so. */
export async function manifestOf(
	sql: Buffer,
	stored: Buffer,
	macKey: string,
	database = 'DB',
): Promise<Manifest> {
	const { core } = await survey({ open: () => once(sql) });
	const key = volumeKey(NAME, 1, ['gzip']);
	const manifest: Manifest = {
		...{ format: 1, name: NAME, kind: 'full', parent: null, database },
		...{ startedAt: STARTED_AT, finishedAt: '2026-11-22T21:52:01.000Z' },
		snapshot: { consistency: 'atomic', attempts: 1, bookmark: null },
		schema: core?.schema ?? { objects: 0, sha256: '' },
		tables: (core?.tables ?? []).map((table) => ({ ...table, bytes: 0 })),
		volumes: [
			{
				...{ key, bytes: stored.length, sqlBytes: sql.length, encodings: ['gzip'] },
				sha256: createHash('sha256').update(stored).digest('hex'),
			},
		],
		...{ encryption: null, warnings: [] },
		cost: { queries: 1, rowsRead: 2, durationMs: 1 },
		engine: { version: '0.1.0' },
	};
	return signManifest(manifest, deriveKey(Buffer.from(macKey)));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield bytes;
}
