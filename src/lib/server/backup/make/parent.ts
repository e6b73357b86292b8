import { LifeboatError } from '../../errors.ts';
import type { SqlDatabase } from '../database.ts';
import { readCatalog } from '../dump/catalog.ts';
import { Reader } from '../dump/reader.ts';
import type { Engine } from '../engine.ts';
import type { ListedBackup, Manifest } from '../format/manifest.ts';
import { manifestKey, startOf } from '../format/names.ts';
import { hideDigests, type OpenedManifest } from '../format/signature.ts';
import { ownSlices } from '../format/slices.ts';
import { readManifest } from '../storage/bucket.ts';
import { namesOf } from '../storage/codec.ts';
import { storageCall } from '../storage/failure.ts';
import { listStored, NOT_OURS } from '../storage/list.ts';

const DAY_MS = 24 * 3_600_000;

/** Which backup to make: a differential if there is a full one to rest on, or a full one anyway. */
export const KIND_CHOICES = ['auto', 'full'] as const;
export type KindChoice = (typeof KIND_CHOICES)[number];

/** The full backup that a differential rests on, and the MAC of its manifest. */
export interface Parent {
	name: string;
	mac: string;
}

/** What a differential needs to know of its parent. */
export interface Base {
	/** The numbers of its slices, from 1, by what the manifest says about their SQL. */
	numbers: ReadonlyMap<string, number>;
	/** Stored bytes of all its slices. */
	bytes: number;
	/** Rows that D1 counted as read for it. */
	rowsRead: number;
}

/** The backup has to be a full one after all. Nothing of it is kept. */
export class NeedsFull extends Error {}

/**
 * The full backup on which the next one can rest: the newest that this app has signed, if it is younger
 * than `fullDays`, was not found to be bad, was stored in the same way with the same key, and has the
 * database's present schema. Null if there is none. Throws `storage_error` (500), and what reading the
 * schema throws.
 */
export async function findParent(engine: Engine, database: SqlDatabase): Promise<Parent | null> {
	const { bucket, fullDays, now } = engine;
	if (fullDays === 0) return null;
	const listed = await listStored(engine, { since: now() - fullDays * DAY_MS });
	const found = await newestFull(engine, listed);
	if (found === null || !isSound(found.listed) || !isStoredAlike(engine, found.opened)) return null;
	const { manifest } = found.opened;
	if (manifest.mac === undefined || manifest.slices === undefined) return null;
	for (const { key, bytes } of manifest.volumes) {
		const object = await storageCall(() => bucket.head(key));
		if (object?.size !== bytes) return null;
	}
	if (!(await hasSchema(engine, database, manifest))) return null;
	return { name: manifest.name, mac: manifest.mac };
}

/**
 * What a differential needs to know of its parent. Throws {@link NeedsFull} if the parent is no longer
 * there, or no longer the same.
 */
export async function openBase({ bucket, keys }: Engine, { name, mac }: Parent): Promise<Base> {
	const manifest = await readParent({ bucket, keys }, name);
	if (manifest?.mac !== mac) throw new NeedsFull();
	const slices = ownSlices(manifest) ?? [];
	return {
		numbers: new Map(slices.map(({ content }, index) => [content, index + 1])),
		bytes: slices.reduce((sum, { bytes }) => sum + bytes, 0),
		rowsRead: manifest.cost.rowsRead,
	};
}

async function readParent(
	{ bucket, keys }: Pick<Engine, 'bucket' | 'keys'>,
	name: string,
): Promise<Manifest | null> {
	try {
		return (await readManifest(bucket, manifestKey(name), keys)).manifest;
	} catch (error) {
		if (error instanceof LifeboatError && NOT_OURS.includes(error.code)) return null;
		throw error;
	}
}

/** The newest full backup that is the app's own, as listed and as its manifest says. */
async function newestFull(
	{ bucket, keys, signer }: Engine,
	backups: ListedBackup[],
): Promise<{ listed: ListedBackup; opened: OpenedManifest } | null> {
	if (signer === null) return null;
	for (const listed of backups) {
		if (listed.kind !== 'full') continue;
		try {
			return { listed, opened: await readManifest(bucket, manifestKey(listed.name), keys) };
		} catch (error) {
			if (!(error instanceof LifeboatError) || !NOT_OURS.includes(error.code)) throw error;
		}
	}
	return null;
}

function isSound({ verified, drilled }: ListedBackup): boolean {
	return verified?.proven !== false && drilled?.proven !== false;
}

/** Whether a backup was compressed, encrypted and signed as the next one will be. */
function isStoredAlike({ signer, encoding }: Engine, { manifest, key }: OpenedManifest): boolean {
	const { volumes, encryption } = manifest;
	return (
		key === signer &&
		String(volumes[0]?.encodings) === String(namesOf(encoding)) &&
		String(encryption?.recipients ?? []) === String(encoding.recipients)
	);
}

/** Whether the database has the schema that a backup describes. */
async function hasSchema(
	{ signer, sleep }: Engine,
	database: SqlDatabase,
	{ schema, encryption }: Manifest,
): Promise<boolean> {
	const { objects, sha256 } = await readCatalog(new Reader(database, sleep).batch);
	const plain = { schema: { objects: objects.length, sha256 }, tables: [] };
	const current = encryption && signer ? hideDigests(plain, signer) : plain;
	return current.schema.sha256 === schema.sha256;
}

/** The name of the full backup that a backup becomes. */
export function asFull(name: string): string {
	return `full_backup_${new Date(startOf(name)).toISOString()}`;
}
