import { createHash, type Hash } from 'node:crypto';
import { readFile as readWhole } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
	backupOfFile,
	type EncodingName,
	manifestKey,
} from '../../lib/server/backup/format/names.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { decoded } from '../../lib/server/backup/storage/codec.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { identitiesFor, type KeyOptions } from '../secrets/keys.ts';
import type { Context } from '../terminal/command.ts';
import { type Backup, fromFiles, readManifest, requireOwn } from './backup.ts';
import { readFile, sizeOf } from './disk.ts';

const MANIFEST = '.manifest.json';

/**
 * Opens a backup on this machine: an SQL file of any tool, also with `.gz` or `.age`, or all volumes of
 * a backup whose manifest lies in the same folder. `path` names the manifest or a volume.
 *
 * Throws `file_not_found` (404), and what {@link readManifest} and {@link identitiesFor} throw.
 */
export async function openBackup(
	path: string,
	keys: KeyOptions,
	context: Context,
): Promise<Backup> {
	const { signal } = context;
	const size = await sizeOf(path);
	if (size === null) throw fileNotFound(path);
	const manifestPath = await findManifest(path);
	if (manifestPath === null) {
		const encodings = encodingsOf(path);
		return {
			name: path,
			sql: singleFile(path, encodings, identitiesFor(encodings, keys), signal),
			totalBytes: encodings.length === 0 ? size : 0,
			files: null,
		};
	}
	const opened = readManifest(await readWhole(manifestPath, 'utf8'), nameIn(path), keys, context);
	const { manifest } = opened;
	return fromFiles(path, {
		...opened,
		async open(key) {
			requireOwn(manifest, key);
			const found = await findSibling(manifestPath, key);
			return found === null ? null : readFile(found, signal);
		},
	});
}

/**
 * The SQL of a file without a manifest. Each read must find the bytes of the first one, which was
 * verified; otherwise it throws `backup_damaged` (422).
 */
function singleFile(
	path: string,
	encodings: EncodingName[],
	identities: string[],
	signal: AbortSignal,
): SqlSource {
	let first: string | null = null;
	return {
		async *open() {
			const stored = await readFile(path, signal);
			if (stored === null) throw fileNotFound(path);
			const hash = createHash('sha256');
			try {
				yield* decoded(hashed(stored, hash), encodings, identities);
			} catch (error) {
				if (error instanceof LifeboatError) throw error;
				throw undecodable(path, error);
			}
			const digest = hash.digest('hex');
			first ??= digest;
			if (digest !== first) throw changed(path);
		},
	};
}

async function* hashed(
	bytes: AsyncIterable<Uint8Array>,
	hash: Hash,
): AsyncGenerator<Uint8Array, void, void> {
	for await (const chunk of bytes) {
		hash.update(chunk);
		yield chunk;
	}
}

/** The encodings that the end of a file's name states: `.sql.gz.age`. */
function encodingsOf(path: string): EncodingName[] {
	const [suffixes = ''] = /(?:\.gz|\.age)*$/i.exec(path) ?? [];
	return suffixes
		.split('.')
		.slice(1)
		.map((suffix) => (suffix.toLowerCase() === 'gz' ? 'gzip' : 'age'));
}

/** The manifest that `path` names, or the one in the folder of the volume that it names. */
async function findManifest(path: string): Promise<string | null> {
	if (path.endsWith(MANIFEST)) return path;
	const name = nameIn(path);
	return name === null ? null : findSibling(path, manifestKey(name));
}

/** The backup whose name a file carries; null for another name. */
function nameIn(path: string): string | null {
	return backupOfFile(basename(path).replace(/T(\d\d)-(\d\d)-(\d\d\.)/, 'T$1:$2:$3'));
}

/** A file of a backup in the folder of another one; browsers save colons as `-`. */
async function findSibling(path: string, key: string): Promise<string | null> {
	for (const name of [key, key.replaceAll(':', '-')]) {
		const candidate = join(dirname(path), name);
		if ((await sizeOf(candidate)) !== null) return candidate;
	}
	return null;
}

function undecodable(path: string, cause: unknown): LifeboatError {
	return new LifeboatError(`${path} cannot be decoded.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Download the file again, or use another backup.',
		cause,
	});
}

function changed(path: string): LifeboatError {
	return new LifeboatError(`${path} has changed since it was verified.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Try again when nothing writes to it.',
	});
}

function fileNotFound(path: string): LifeboatError {
	return new LifeboatError(`${path} is neither a file nor the name of a backup.`, {
		code: 'file_not_found',
		status: 404,
		hint: 'Give `latest`, a name such as full_backup_2026-11-23T05:05:54.982Z, or the path of an SQL file.',
	});
}
