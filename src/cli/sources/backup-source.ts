import { createHash, type Hash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { compareCores } from '../../lib/server/backup/format/digest.ts';
import { type Manifest } from '../../lib/server/backup/format/manifest.ts';
import {
	type EncodingName,
	manifestKey,
	backupOfFile,
} from '../../lib/server/backup/format/names.ts';
import { shorten } from '../../lib/server/backup/format/proof.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { type Survey, survey } from '../../lib/server/backup/restore/survey.ts';
import { decoded } from '../../lib/server/backup/storage/codec.ts';
import { verifyFiles } from '../../lib/server/backup/prove/verify.ts';
import { type BackupFiles, sqlOf } from '../../lib/server/backup/prove/files.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { BackupApi } from '../client/api.ts';
import { type Context, DetailedError, temporaryFolder } from '../terminal/command.ts';
import { checkManifest, identitiesFor, type KeyOptions } from '../secrets/keys.ts';

/** Bytes read from a disk at once. */
const CHUNK_BYTES = 1 << 20;
const MANIFEST = '.manifest.json';

/** A backup that can be read here. */
export interface Backup {
	/** Its name, or the path of its file. */
	name: string;
	sql: SqlSource;
	/** Bytes of SQL; 0 where nobody knows before they are read. */
	totalBytes: number;
	/** Null for a file alone, which may be of another tool. */
	files: BackupFiles | null;
}

/** True for `latest` and for what may be the name of a backup. */
export function isBackupName(word: string): boolean {
	return word === 'latest' || backupOfFile(manifestKey(word)) === word;
}

/**
 * Fetches a backup by its name, or the newest, into a folder that goes when the process ends.
 * Throws `backup_not_found` (404), what the API throws, and what {@link checkManifest} and
 * {@link identitiesFor} do, before anything is fetched.
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
	const opened = openFiles(await api.manifest(name), name, keys, context);
	const { manifest } = opened;
	const folder = temporaryFolder();
	const total = manifest.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
	progress.step(`fetch: ${name}`);
	let before = 0;
	for (const { key, bytes } of manifest.volumes) {
		requireOwn(manifest, key);
		const onProgress = (done: number) => progress.bytes(before + done, total);
		await api.download(key, join(folder, key), onProgress).catch((error: unknown) => {
			const missing = error instanceof LifeboatError && error.code === 'backup_not_found';
			if (!missing) throw error; // a volume that is gone is what a verification finds
		});
		before += bytes;
	}
	return fromFiles(name, { ...opened, open: (key) => read(join(folder, key), signal) });
}

/**
 * Opens a backup on this machine: an SQL file of whatever tool, also with `.gz` or `.age`, or, with
 * its manifest beside it, all volumes of a backup. Either may be named.
 *
 * Throws `file_not_found` (404), and what {@link checkManifest} and {@link identitiesFor} do.
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
			sql: lone(path, encodings, identitiesFor(encodings, keys), signal),
			totalBytes: encodings.length === 0 ? size : 0,
			files: null,
		};
	}
	const opened = openFiles(await readFile(manifestPath, 'utf8'), nameIn(path), keys, context);
	const { manifest } = opened;
	return fromFiles(path, {
		...opened,
		async open(key) {
			requireOwn(manifest, key);
			const found = await findBeside(manifestPath, key);
			return found === null ? null : read(found, signal);
		},
	});
}

/**
 * Proves a backup as far as that goes without restoring it, and tells what is in it. Throws
 * `backup_differs` (422) with what differs, and for a file alone what reading it throws.
 */
export async function verifyBackup(
	{ files, sql, name, totalBytes }: Backup,
	{ progress }: Context,
): Promise<Survey> {
	progress.step(`verify: ${name}`);
	const onProgress = (bytes: number) => progress.bytes(bytes, totalBytes);
	const found = files ? await verifyFiles(files, onProgress) : await verifyFile(sql, onProgress);
	progress.clear();
	if (found.survey && found.differences.length === 0) return found.survey;
	throw damaged(name, found.differences);
}

async function verifyFile(
	sql: SqlSource,
	onProgress: (bytes: number) => void,
): Promise<{ survey: Survey; differences: string[] }> {
	const found = await survey(sql, onProgress);
	const { core, tables } = found;
	return { survey: found, differences: core ? compareCores(core, { ...core, tables }) : [] };
}

/**
 * What a manifest says, and what opens its volumes. It has to be that of the backup asked for: one
 * of an older backup would be signed as well.
 */
function openFiles(
	text: string,
	name: string | null,
	keys: KeyOptions,
	context: Context,
): Omit<BackupFiles, 'open'> {
	const opened = checkManifest(text, keys, context);
	const { manifest } = opened;
	if (name !== null && manifest.name !== name) throw foreign(manifest.name);
	const encodings = manifest.volumes.flatMap((volume) => volume.encodings);
	return { ...opened, identities: identitiesFor(encodings, keys) };
}

function fromFiles(name: string, files: BackupFiles): Backup {
	const totalBytes = files.manifest.volumes.reduce((sum, { sqlBytes }) => sum + sqlBytes, 0);
	return { name, sql: sqlOf(files), totalBytes, files };
}

/**
 * The SQL of a file that stands alone; its name tells how it is encoded. What is read again has to be
 * what was read first: that was verified.
 */
function lone(
	path: string,
	encodings: EncodingName[],
	identities: string[],
	signal: AbortSignal,
): SqlSource {
	let first: string | null = null;
	return {
		async *open() {
			const stored = await read(path, signal);
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

/** What the end of a file's name says: `.sql.gz.age`. */
function encodingsOf(path: string): EncodingName[] {
	const [suffixes = ''] = /(?:\.gz|\.age)*$/i.exec(path) ?? [];
	return suffixes
		.split('.')
		.slice(1)
		.map((suffix) => (suffix.toLowerCase() === 'gz' ? 'gzip' : 'age'));
}

/** The manifest that a path names, or that lies beside the volume that it names; null without one. */
async function findManifest(path: string): Promise<string | null> {
	if (path.endsWith(MANIFEST)) return path;
	const name = nameIn(path);
	return name === null ? null : findBeside(path, manifestKey(name));
}

/** The backup that a file's name says; null for another name. */
function nameIn(path: string): string | null {
	return backupOfFile(basename(path).replace(/T(\d\d)-(\d\d)-(\d\d\.)/, 'T$1:$2:$3'));
}

/** A file of a backup beside another; browsers save them with `-` in place of colons. */
async function findBeside(path: string, key: string): Promise<string | null> {
	for (const name of [key, key.replaceAll(':', '-')]) {
		const candidate = join(dirname(path), name);
		if ((await sizeOf(candidate)) !== null) return candidate;
	}
	return null;
}

/** Bytes of a file; null where there is none. */
async function sizeOf(path: string): Promise<number | null> {
	const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
		if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
		throw error;
	});
	return found?.size ?? null;
}

/** A file's bytes; null where there is none. Ends with the signal's error when that is aborted. */
async function read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
	if ((await sizeOf(path)) === null) return null;
	const handle = await open(path);
	return (async function* () {
		for await (const chunk of handle.createReadStream({ highWaterMark: CHUNK_BYTES })) {
			signal.throwIfAborted();
			yield chunk;
		}
	})();
}

/** A manifest may come from anywhere: its volumes have the names that Lifeboat gives, and no path. */
function requireOwn({ name }: Manifest, key: string): void {
	if (backupOfFile(key) !== name) throw foreign(key);
}

function foreign(name: string): LifeboatError {
	return new LifeboatError(`The manifest is of another backup: it names ${JSON.stringify(name)}.`, {
		code: 'manifest_unreadable',
		status: 500,
		hint: 'It was changed: use another backup.',
	});
}

function damaged(name: string, differences: string[]): LifeboatError {
	const error = new LifeboatError(`${name} is not what it should be. Nothing was changed.`, {
		code: 'backup_differs',
		status: 422,
		hint: 'Use another backup: `latest` or a name from the list.',
	});
	return new DetailedError(error, shorten(differences));
}

function undecodable(path: string, cause: unknown): LifeboatError {
	return new LifeboatError(`${path} cannot be decoded.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Fetch the file again, or use another backup.',
		cause,
	});
}

function changed(path: string): LifeboatError {
	return new LifeboatError(`${path} is no longer the file that was verified.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Try again when nothing writes to it.',
	});
}

function fileNotFound(path: string): LifeboatError {
	return new LifeboatError(`There is no file ${path}, and no backup has such a name.`, {
		code: 'file_not_found',
		status: 404,
		hint: 'Give `latest`, a name such as full_backup_2026-11-23T05:05:54.982Z, or the path of an SQL file.',
	});
}

function noBackup(): LifeboatError {
	return new LifeboatError('The app has no backup yet.', {
		code: 'backup_not_found',
		status: 404,
		hint: 'Make one: POST /api/backup.',
	});
}
