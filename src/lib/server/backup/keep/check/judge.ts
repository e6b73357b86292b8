import type { LifeboatError } from '../../../errors.ts';
import type { R2Bucket, R2Object } from '../../../platform.ts';
import { isVolume, manifestKey, sliceListKey } from '../../format/names.ts';
import { proofKey } from '../../format/proof.ts';
import { type BackupKey, openProofSummary } from '../../format/signature.ts';
import { isLocked, storageCall, storageError } from '../../storage/failure.ts';
import { OWN_FOLDERS, OWN_OBJECTS } from '../../storage/own.ts';
import { isTombstone } from '../../storage/tombstone.ts';
import { type Fate, fateOf } from '../fates.ts';
import type { Marks } from '../marks.ts';
import { foundOf } from '../survey.ts';
import type { Finding, State } from './findings.ts';
import { openManifestOf, type Opened } from './open.ts';
import type { Item } from './walk.ts';

/** What objects are judged with. */
export interface Judging {
	bucket: R2Bucket;
	keys: readonly BackupKey[];
	marks: Marks;
	/** The backup that is being made; null for none. */
	running: string | null;
	/** Folders, with a slash at the end, that hold the backups of other databases. */
	others: readonly string[];
	/** Whether there is a manifest, for full backups by name, as far as that is known already. */
	parents: Map<string, boolean>;
}

/** Calls of R2 that one backup may take: to read its manifest, to find its parent, to try a lock. */
export const CALLS_PER_BACKUP = 3;

const RUNNING = 'a backup is being made';
const REMAINS: Record<Exclude<Fate, 'complete' | 'lost'>, string> = {
	abandoned: 'its backup was given up',
	incomplete: 'its backup was never completed',
	gone: 'its backup is gone',
};

/** What the objects of an item are, and the parts that a backup lacks. Throws `storage_error` (500). */
export async function judge(judging: Judging, item: Item): Promise<Finding[]> {
	const others = item.others.flatMap((other) => judgeOther(judging, other));
	const { name, objects } = item;
	return name === null ? others : [...(await judgeBackup(judging, name, objects)), ...others];
}

function judgeOther({ others }: Judging, other: R2Object | string): Finding[] {
	const key = typeof other === 'string' ? other : other.key;
	if (others.includes(key)) return [];
	const isOwn = typeof other === 'string' ? OWN_FOLDERS.includes(key) : OWN_OBJECTS.includes(key);
	if (isOwn && typeof other === 'string') return [];
	const verdict: Verdict = isOwn ? ['valid', ''] : ['foreign', 'not a file of a backup'];
	return [finding(other, null, verdict)];
}

async function judgeBackup(
	judging: Judging,
	name: string,
	objects: readonly R2Object[],
): Promise<Finding[]> {
	const all = (verdict: Verdict) => objects.map((object) => finding(object, name, verdict));
	const fate = fateOf(name, objects.map(foundOf));
	if (fate === 'complete') return judgeComplete(judging, name, objects);
	if (judging.running === name) return all(['in_progress', RUNNING]);
	const isBeingRemoved = judging.marks[name]?.removing;
	if (fate === 'lost' && !isBeingRemoved) {
		const manifest = missing(manifestKey(name), name, 'somebody removed it');
		return [manifest, ...all(['foreign', 'its manifest is missing'])];
	}
	const text = fate === 'lost' || isBeingRemoved ? 'its removal is not finished' : REMAINS[fate];
	return all(await leftover(judging, objects, text));
}

async function judgeComplete(
	judging: Judging,
	name: string,
	objects: readonly R2Object[],
): Promise<Finding[]> {
	const opened = await openManifestOf(judging, name, objects);
	if ('refusal' in opened) {
		const verdict: Verdict = ['foreign', refusalText(opened.refusal)];
		return objects.map((object) => finding(object, name, verdict));
	}
	const isStray = ({ key }: R2Object) => isVolume(key) && !opened.volumes.has(key);
	const strays = objects.filter(isStray);
	const ofStrays = await judgeStrays(judging, name, strays);
	const sound = soundVerdict(judging, name);
	const found = objects.map((object) => {
		const verdict = isStray(object)
			? ofStrays
			: verdictOf(judging, name, { object, opened, sound });
		return finding(object, name, verdict);
	});
	return [...found, ...(await missingParts(judging, name, { objects, opened }))];
}

function refusalText({ code, message }: LifeboatError): string {
	return code === 'backup_not_found' ? 'its manifest is that of another backup' : message;
}

/** What a file is that the manifest knows, where it is as it should be. */
function soundVerdict({ marks }: Judging, name: string): Verdict {
	const lockedAt = marks[name]?.lockedAt;
	if (lockedAt === undefined) return ['valid', ''];
	const time = new Date(lockedAt).toISOString();
	return ['locked', `a lock rule kept it from being removed on ${time}`];
}

function verdictOf(
	{ keys }: Judging,
	name: string,
	{ object, opened, sound }: { object: R2Object; opened: Opened; sound: Verdict },
): Verdict {
	const { key, size, customMetadata } = object;
	const expected = opened.volumes.get(key);
	if (expected != null && expected !== size) {
		return ['missing', `it has ${size} bytes instead of ${expected}`];
	}
	if (isVolume(key) || key === manifestKey(name) || key === sliceListKey(name)) return sound;
	const stored = customMetadata?.['summary'];
	if (stored === undefined) return sound; // another tool has copied it here; the list reads it
	const proof = openProofSummary(name, stored, keys);
	const isOwn = proof !== null && key === proofKey(name, proof.at);
	return isOwn ? sound : ['foreign', 'a proof that the app has not signed'];
}

async function judgeStrays(
	judging: Judging,
	name: string,
	strays: readonly R2Object[],
): Promise<Verdict> {
	if (judging.running === name) return ['in_progress', RUNNING];
	return leftover(judging, strays, 'the manifest of its backup does not name it');
}

/** What a backup lacks: volumes, the list of its slices, the backup that it rests on. */
async function missingParts(
	judging: Judging,
	name: string,
	{ objects, opened }: { objects: readonly R2Object[]; opened: Opened },
): Promise<Finding[]> {
	const { volumes, parent } = opened;
	const there = new Set(objects.map(({ key }) => key));
	const absent = [...volumes.keys()].filter((key) => !there.has(key));
	const parts = absent.map((key) => missing(key, name, 'it does not exist'));
	judging.parents.set(name, true);
	if (parent === null) return parts;
	const slices = sliceListKey(name);
	if (!there.has(slices)) parts.push(missing(slices, name, 'verify writes it again'));
	if (!(await isThere(judging, parent))) {
		parts.push(missing(manifestKey(parent), name, 'the backup rests on it'));
	}
	return parts;
}

async function isThere({ bucket, parents }: Judging, name: string): Promise<boolean> {
	const known = parents.get(name);
	if (known !== undefined) return known;
	const manifest = await storageCall(() => bucket.head(manifestKey(name)));
	const found = manifest !== null && !isTombstone(manifest);
	parents.set(name, found);
	return found;
}

/**
 * What leftovers are: locked if a rule protects the newest. R2 checks its rules before the condition of a put
 * (R2 > Bucket locks; Error codes, 10069), so one that never holds finds out, and changes nothing.
 */
async function leftover(
	{ bucket }: Judging,
	objects: readonly R2Object[],
	text: string,
): Promise<Verdict> {
	const newest = objects.toSorted((a, b) => +b.uploaded - +a.uploaded)[0];
	if (!newest) return ['leftover', text];
	try {
		await bucket.put(newest.key, '', { onlyIf: { etagMatches: 'none' } });
		return ['leftover', text];
	} catch (error) {
		if (!isLocked(error)) throw storageError(error);
		return ['locked', `${text}, and a lock rule keeps it`];
	}
}

/** A state, and why. */
type Verdict = [State, string];

function finding(
	object: R2Object | string,
	backup: string | null,
	[state, text]: Verdict,
): Finding {
	if (typeof object === 'string')
		return { key: object, state, backup, size: null, uploaded: null, text };
	const { key, size, uploaded } = object;
	return { key, state, backup, size, uploaded: uploaded.toISOString(), text };
}

function missing(key: string, backup: string, text: string): Finding {
	return { key, state: 'missing', backup, size: null, uploaded: null, text };
}
