import { readFile as readWhole } from 'node:fs/promises';
import type { Manifest } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import type { Parent } from '../../lib/server/backup/format/parent.ts';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import type { KeyOptions } from '../secrets/keys.ts';
import type { Context } from '../terminal/command.ts';
import { DetailedError } from '../terminal/errors.ts';
import { type AppPlace, fetchManifest } from './app.ts';
import { readParent } from './backup.ts';
import { findSibling, findSlices } from './volumes.ts';

/** The parent of a differential, and where its volumes are on this machine. */
export interface FoundParent {
	parent: Parent;
	paths: Map<string, string>;
}

/**
 * Finds the parent of a differential in the folder of its manifest; the parent's manifest may be the one that
 * the app at `from` or BACKUP_URL has. Null for a full backup. Why there is no parent to be had is in
 * `parent`. Throws what {@link readParent} throws.
 */
export async function findParent(
	manifest: Manifest,
	manifestPath: string,
	{ keys, from }: { keys: KeyOptions; from: string | undefined },
	context: Context,
): Promise<FoundParent | null> {
	if (manifest.parent === null) return null;
	const sibling = await findSibling(manifestPath, manifestKey(manifest.parent));
	const app = { from, database: keys.database };
	const { text, reasons } = sibling
		? { text: await readWhole(sibling, 'utf8'), reasons: [] }
		: await fetchText(manifest.parent, app, context);
	const parent = readParent(manifest, text, keys, context);
	if (parent === null || parent instanceof LifeboatError) {
		const reason = parent && (reasons.length > 0 ? new DetailedError(parent, reasons) : parent);
		return { parent: reason, paths: new Map() };
	}
	const found = await findSlices(parent.manifest, manifestPath, '');
	return { parent: { ...parent, manifest: found.manifest }, paths: found.paths };
}

/** The manifest as the app has it, or why it could not be fetched. */
async function fetchText(
	name: string,
	app: AppPlace,
	context: Context,
): Promise<{ text: string | undefined; reasons: string[] }> {
	try {
		return { text: (await fetchManifest(name, app, context)) ?? undefined, reasons: [] };
	} catch (error) {
		context.signal.throwIfAborted();
		return { text: undefined, reasons: [`It could not be fetched: ${messageOf(error)}`] };
	}
}
