import type { Engine, Held } from '../engine.ts';
import type { ListedBackup } from '../format/manifest.ts';
import { manifestKey } from '../format/names.ts';
import { KEY_WRITE_INTERVAL_MS, MAX_KEYS_PER_DELETE } from '../limits.ts';
import { isLocked, retryStorage } from '../storage/failure.ts';
import { asNotBegun, changeMarks } from './marks.ts';
import { readPins } from './pins.ts';
import { partsOf, proofsOf, type Survey } from './survey.ts';

// The only file that removes backups. A manifest goes first, because a backup without one does not exist,
// then its volumes, then its proofs. The mark stays to the end, as the record of a removal that a Worker may
// not live to finish.

/** What a removal works with. */
export interface RemovalContext extends Held {
	engine: Engine;
	found: Survey;
	/** When the marks were last written, in milliseconds since 1970. */
	markedAt: number;
}

/** Names by what came of their removal. */
export interface Removed {
	removed: string[];
	/** Those of which a lock rule keeps something. */
	locked: string[];
}

/**
 * Removes backups whose marks say that their removal has begun. Of `names`, the manifests are there; of
 * `unfinished`, they are gone already. What a lock rule keeps is not a failure. Throws `lock_lost` (409),
 * `storage_error` (500), `pins_forged` (500).
 */
export async function removeBackups(
	context: RemovalContext,
	{ names, unfinished }: { names: readonly string[]; unfinished: readonly string[] },
): Promise<Removed> {
	const { engine, found } = context;
	// A pin that was set since the plan was made; a later one sees the mark, and is refused.
	const pins = names.length > 0 ? await readPins(engine) : {};
	const pinned = names.filter((name) => Object.hasOwn(pins, name));
	await context.confirm();
	const bare = await removeManifests(
		context,
		names.filter((name) => !pinned.includes(name)),
	);
	const gone = [...unfinished, ...bare.removed];
	const held = new Set([
		...(await removeAll(context, (name) => partsOf(found, name), gone)),
		...(await removeAll(context, (name) => proofsOf(found, name), gone)),
	]);
	const removed = gone.filter((name) => !held.has(name));
	const locked = [...bare.locked, ...held];
	await settle(context, { removed, locked, pinned, gone });
	return { removed, locked };
}

/** Removes manifests: first those of differentials, then those on which no other backup rests any more. */
async function removeManifests(
	context: RemovalContext,
	names: readonly string[],
): Promise<Removed> {
	const manifests = (name: string) => [manifestKey(name)];
	const [based, full] = [names.filter(isBased), names.filter((name) => !isBased(name))];
	const stay = await removeAll(context, manifests, based);
	const removed = based.filter((name) => !stay.includes(name));
	const needed = parentsOf(context.found.backups, removed);
	const free = full.filter((name) => !needed.has(name));
	const locked = [...stay, ...(await removeAll(context, manifests, free))];
	return { removed: [...removed, ...free.filter((name) => !locked.includes(name))], locked };
}

function isBased(name: string): boolean {
	return name.startsWith('incremental_');
}

/** What the backups other than these rest on; a forged one holds nothing. */
function parentsOf(backups: readonly ListedBackup[], without: string[]): Set<string | null> {
	const left = backups.filter(({ name, signed }) => signed !== false && !without.includes(name));
	return new Set(left.map(({ parent }) => parent));
}

/** Removes the objects of names. Returns the names of which a lock rule keeps one. */
async function removeAll(
	context: RemovalContext,
	keysOf: (name: string) => string[],
	names: readonly string[],
): Promise<string[]> {
	const owners = new Map(names.flatMap((name) => keysOf(name).map((key) => [key, name] as const)));
	const keys = [...owners.keys()];
	const held: string[] = [];
	for (let at = 0; at < keys.length; at += MAX_KEYS_PER_DELETE) {
		held.push(...(await removeKeys(context, keys.slice(at, at + MAX_KEYS_PER_DELETE))));
	}
	return [...new Set(held.map((key) => owners.get(key) ?? ''))];
}

/**
 * Removes objects in one call, or where a lock rule keeps one of them, each in its own while there is room.
 * Returns those that stay.
 */
async function removeKeys(context: RemovalContext, keys: string[]): Promise<string[]> {
	if (await isRemoved(context, keys)) return [];
	if (keys.length === 1) return keys;
	const held: string[] = [];
	for (const key of keys) {
		const isGone = context.room() > ROOM_TO_SETTLE && (await isRemoved(context, [key]));
		if (!isGone) held.push(key);
	}
	return held;
}

/** Calls that the end of a removal takes. */
const ROOM_TO_SETTLE = 4;

/** Removes objects in one call. Returns false if a lock rule keeps one of them. Throws `storage_error` (500). */
export async function isRemoved(
	{ engine }: Pick<RemovalContext, 'engine'>,
	keys: string[],
): Promise<boolean> {
	const { bucket, sleep } = engine;
	try {
		await retryStorage(() => bucket.delete(keys), sleep);
		return true;
	} catch (error) {
		if (isLocked(error)) return false;
		throw error;
	}
}

/** Notes in the marks what came of it: a removal of which nothing is gone has not begun. */
async function settle(
	{ engine, markedAt }: RemovalContext,
	{ removed, locked, pinned, gone }: Removed & { pinned: string[]; gone: string[] },
): Promise<void> {
	const at = engine.now();
	const early = markedAt + KEY_WRITE_INTERVAL_MS - at;
	if (early > 0) await engine.sleep(early);
	await changeMarks(engine, (marks) => {
		const next = new Map(Object.entries(marks));
		for (const name of [...removed, ...pinned]) next.delete(name);
		for (const [name, mark] of next) {
			const left = gone.includes(name) ? mark : asNotBegun(mark);
			next.set(name, locked.includes(name) ? { ...left, lockedAt: at } : left);
		}
		return Object.fromEntries(next);
	});
}
