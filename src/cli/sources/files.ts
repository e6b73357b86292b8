import { createHash, type Hash } from 'node:crypto';
import { readFile as readWhole } from 'node:fs/promises';
import { ENCODING_NAMES, type EncodingName } from '../../lib/server/backup/format/names.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { decoded } from '../../lib/server/backup/storage/codec.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { identitiesFor, type KeyOptions } from '../secrets/keys.ts';
import type { Context } from '../terminal/command.ts';
import { type Backup, fromFiles, readManifest } from './backup.ts';
import { readFile, sizeOf } from './disk.ts';
import { convertDatabase, convertScript } from './foreign.ts';
import { HEAD_BYTES, type Kind, kindOf } from './kind.ts';
import { mayStandAlone, namesInTitle, withoutProof } from './lone.ts';
import { fetchManifestOfAny, findManifest, nameIn, readManifestOfAny } from './manifests.ts';
import { findParent, type FoundParent } from './parent.ts';
import { asOneVolume, findSlices, findVolumes, findWhole, type FoundVolumes } from './volumes.ts';

/** Who verifies a file: the keys, and the app that may have its manifest. */
interface Witnesses {
	keys: KeyOptions;
	/** Its address, if it is not BACKUP_URL. */
	from: string | undefined;
}

/**
 * Opens a backup on this machine: an SQL file of any program or an SQLite database, also compressed or
 * encrypted, or all volumes of a backup whose manifest lies in the same folder. `path` names the manifest
 * or a volume. What another program wrote is first read by SQLite, and then a backup like any other. Beside
 * the volumes of a differential lie those of its parent, or its first one is the whole, as the app gives it.
 *
 * A file that calls itself a backup of Lifeboat, by its name or first line, is verified by its manifest:
 * the one beside it, or that of the app at `from` or BACKUP_URL. Without one it needs --unsigned.
 *
 * Throws `file_not_found` and `manifest_missing` (404), and what {@link readManifest},
 * {@link identitiesFor}, {@link kindOf}, {@link convertScript} and {@link convertDatabase} throw.
 */
export async function openBackup(
	path: string,
	keys: KeyOptions,
	context: Context,
	from?: string,
): Promise<Backup> {
	if ((await sizeOf(path)) === null) throw fileNotFound(path);
	const name = nameIn(path);
	const manifestPath = await findManifest(path);
	if (manifestPath === null && (name === null || keys.unsigned)) {
		return openFile(path, { keys, from }, context);
	}
	const app = { from, database: keys.database };
	const text =
		manifestPath === null
			? (await fetchManifestOfAny(path, name === null ? [] : [name], app, context)).text
			: await readWhole(manifestPath, 'utf8');
	const opened = readManifest(text, name, keys, context);
	const place = manifestPath ?? path;
	const whole = await findWhole(opened.manifest, place, path);
	const full = whole ? null : await findParent(opened.manifest, place, { keys, from }, context);
	const find = full ? findSlices : findVolumes;
	const found = whole ?? (await find(opened.manifest, place, path));
	return fromVolumes(path, opened, found, context, full);
}

/** Opens a file that has no manifest beside it, and the name of no backup. */
async function openFile(path: string, witnesses: Witnesses, context: Context): Promise<Backup> {
	const { keys } = witnesses;
	const { kind, encodings, head } = await recognise(path, keys, context.signal);
	if (kind === 'lifeboat' && !keys.unsigned && !mayStandAlone(path)) {
		return openRenamed(path, { names: namesInTitle(head), encodings }, witnesses, context);
	}
	context.progress.note(withoutProof(path));
	const sql = singleFile(path, encodings, identitiesFor(encodings, keys), context.signal);
	const isPlain = encodings.length === 0;
	const totalBytes = isPlain ? ((await sizeOf(path)) ?? 0) : 0;
	const file = { name: path, files: null };
	if (kind === 'lifeboat') return { ...file, sql, totalBytes, foreign: null };
	if (kind === 'database') {
		return { ...file, ...(await convertDatabase(path, isPlain ? { path } : sql, context)) };
	}
	return { ...file, ...(await convertScript(path, sql, totalBytes, context)) };
}

/** Opens a whole backup in one file of any name, whose first line says which backup it may be. */
async function openRenamed(
	path: string,
	{ names, encodings }: { names: string[]; encodings: EncodingName[] },
	{ keys, from }: Witnesses,
	context: Context,
): Promise<Backup> {
	const app = { from, database: keys.database };
	const { name, text } = await readManifestOfAny(path, names, app, context);
	const opened = readManifest(text, name, keys, context);
	return fromVolumes(path, opened, await asOneVolume(opened.manifest, path, encodings), context);
}

function fromVolumes(
	path: string,
	opened: ReturnType<typeof readManifest>,
	{ manifest, paths }: FoundVolumes,
	{ signal }: Context,
	full: FoundParent | null = null,
): Backup {
	return fromFiles(path, {
		...opened,
		...{ manifest, parent: full?.parent ?? null },
		async open(key, range) {
			const volume = paths.get(key) ?? full?.paths.get(key);
			return volume === undefined ? null : readFile(volume, signal, range);
		},
	});
}

/** What a file holds, and how that is encoded: by its bytes, whatever its name says. */
async function recognise(
	path: string,
	keys: KeyOptions,
	signal: AbortSignal,
): Promise<{ kind: Kind; encodings: EncodingName[]; head: Uint8Array }> {
	const encodings: EncodingName[] = [];
	for (;;) {
		const identities = identitiesFor(encodings, keys);
		const head = await headOf(singleFile(path, encodings, identities, signal));
		const kind = kindOf(head, path);
		if (!isEncoding(kind)) return { kind, encodings, head };
		if (encodings.length === MAX_ENCODINGS) throw tooDeep(path);
		encodings.unshift(kind);
	}
}

/** Layers of compression and age around a file: two of Lifeboat's, and some that others have added. */
const MAX_ENCODINGS = 4;

function isEncoding(kind: Kind): kind is Kind & EncodingName {
	return ENCODING_NAMES.some((name) => name === kind);
}

async function headOf(source: SqlSource): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of source.open()) {
		chunks.push(chunk);
		if ((bytes += chunk.length) >= HEAD_BYTES) break;
	}
	return Buffer.concat(chunks).subarray(0, HEAD_BYTES);
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

function undecodable(path: string, cause: unknown): LifeboatError {
	return new LifeboatError(`${path} cannot be decoded.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Download the file again, or use another backup.',
		cause,
	});
}

function tooDeep(path: string): LifeboatError {
	return new LifeboatError(`${path} is compressed or encrypted more than ${MAX_ENCODINGS} times.`, {
		code: 'file_not_sql',
		status: 422,
		hint: 'Nothing was changed. Unpack it, and give the result.',
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
