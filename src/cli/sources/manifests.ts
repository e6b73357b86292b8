import { readFile as readWhole } from 'node:fs/promises';
import { basename } from 'node:path';
import { backupOfFile, manifestKey } from '../../lib/server/backup/format/names.ts';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { type AppPlace, fetchManifest } from './app.ts';
import { manifestMissing } from './lone.ts';
import { findSibling } from './volumes.ts';

const MANIFEST = '.manifest.json';

/** The manifest that `path` names, or the one in the folder of the volume that it names. */
export async function findManifest(path: string): Promise<string | null> {
	if (path.endsWith(MANIFEST)) return path;
	const name = nameIn(path);
	return name === null ? null : findSibling(path, manifestKey(name));
}

/** The backup whose name a file carries; null for another name. */
export function nameIn(path: string): string | null {
	return backupOfFile(basename(path).replace(/T(\d\d)-(\d\d)-(\d\d\.)/, 'T$1:$2:$3'));
}

/**
 * The text of the manifest of one of these backups: that in the folder of the file, or that of the app. Throws
 * `manifest_missing` (404), with the app's reason.
 */
export async function readManifestOfAny(
	path: string,
	names: string[],
	app: AppPlace,
	context: Context,
): Promise<{ name: string; text: string }> {
	for (const name of names) {
		const sibling = await findSibling(path, manifestKey(name));
		if (sibling !== null) return { name, text: await readWhole(sibling, 'utf8') };
	}
	return fetchManifestOfAny(path, names, app, context);
}

/**
 * The text of the manifest that the app has of one of these backups. Throws `manifest_missing` (404), with the
 * app's reason.
 */
export async function fetchManifestOfAny(
	path: string,
	names: string[],
	app: AppPlace,
	context: Context,
): Promise<{ name: string; text: string }> {
	let reasons: string[] = [];
	for (const name of names) {
		try {
			const text = await fetchManifest(name, app, context);
			if (text !== null) return { name, text };
		} catch (error) {
			context.signal.throwIfAborted();
			reasons = [messageOf(error)];
			if (!(error instanceof LifeboatError) || error.code !== 'backup_not_found') break;
		}
	}
	throw manifestMissing(path, names, reasons);
}
