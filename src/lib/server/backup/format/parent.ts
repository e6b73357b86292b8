import { LifeboatError } from '../../errors.ts';
import type { Manifest } from './manifest.ts';
import type { OpenedManifest } from './signature.ts';

/*
 * A differential and its parent, the full backup that has the slices that did not change. The MAC of the
 * differential's manifest covers the name of the parent and the MAC of the parent's manifest.
 */

/** The parent of a differential, or why there is none to be had; null for a full backup. */
export type Parent = OpenedManifest | LifeboatError | null;

/**
 * The parent of the backup with this manifest, given the stored text of the parent's manifest, undefined
 * if it is missing. `open` reads that text and checks its signature; what it throws about the manifest
 * becomes `parent_differs` (422), and any other error is thrown. `parent_missing` (422) and
 * `parent_differs` are returned, because a verification reports them.
 */
export function openParent(
	manifest: Manifest,
	text: string | undefined,
	open: (text: string) => OpenedManifest,
): Parent {
	if (manifest.parent === null) return null;
	if (text === undefined) return parentMissing(manifest.parent);
	let opened: OpenedManifest;
	try {
		opened = open(text);
	} catch (error) {
		const isAboutIt = error instanceof LifeboatError && error.code.startsWith('manifest_');
		if (!isAboutIt) throw error;
		return parentDiffers(manifest.parent, error);
	}
	return isParent(opened.manifest, manifest) ? opened : parentDiffers(manifest.parent);
}

/** The parent's manifest; null for a full backup. Throws why there is none. */
export function requireParent(parent: Parent | undefined): OpenedManifest | null {
	if (parent instanceof LifeboatError) throw parent;
	return parent ?? null;
}

function isParent(parent: Manifest, child: Manifest): boolean {
	const isFull = parent.kind === 'full' && parent.parent === null;
	const isSigned = parent.mac !== undefined && parent.mac === child.parentMac;
	return isFull && isSigned && parent.name === child.parent;
}

/** `parent_missing` (422): a differential's parent is gone. */
export function parentMissing(name: string): LifeboatError {
	return new LifeboatError(`The full backup ${name}, on which this one rests, is missing.`, {
		code: 'parent_missing',
		status: 422,
		hint: 'Put its files back where those of this backup are, or use another backup.',
	});
}

function parentDiffers(name: string, cause?: unknown): LifeboatError {
	return new LifeboatError(
		`The manifest of ${name}, the full backup on which this one rests, is not the one that it was made with.`,
		{
			code: 'parent_differs',
			status: 422,
			hint: 'Put the original file back from a copy, or use another backup.',
			cause,
		},
	);
}
