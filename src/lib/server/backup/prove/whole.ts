import type { Engine } from '../engine.ts';
import { backupOfFile, isVolume } from '../format/names.ts';
import { storedBytes, storedBytesOf } from './files.ts';
import { openBackup } from './prove.ts';

/** A differential with the slices of its parent, as one file. */
export interface WholeBackup {
	parent: string;
	/** Stored bytes of all slices. */
	bytes: number;
	/** Its bytes, each slice compared after it was given. Throws `backup_damaged` (422), `storage_error` (500). */
	open(): AsyncGenerator<Uint8Array, void, void>;
}

/**
 * The whole of a differential, if this is the name of its first volume; null for any other file. Throws
 * what {@link openBackup} throws, `parent_missing`, `parent_differs` and `backup_damaged` (422).
 */
export async function openWhole(
	engine: Pick<Engine, 'bucket' | 'keys'>,
	fileName: string,
): Promise<WholeBackup | null> {
	const isOfDifferential = backupOfFile(fileName)?.startsWith('incremental_') ?? false;
	if (!isOfDifferential || !isVolume(fileName)) return null;
	const files = await openBackup(engine, fileName);
	const { parent, volumes } = files.manifest;
	if (parent === null || volumes[0]?.key !== fileName) return null;
	return { parent, bytes: storedBytesOf(files), open: () => storedBytes(files) };
}
