import { LifeboatError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import { backupOfFile, manifestKey } from '../format/names.ts';
import { backupNotFound, readManifest } from '../storage/bucket.ts';
import { changeMarks, type Mark, readMarks } from './marks.ts';
import { type Outlook, outlook, outlookOf, type Retention } from './outlook.ts';
import { pin, type Pin, unpin } from './pins.ts';
import type { Reason } from './reasons.ts';

// What people decide about single backups. Each is found by any of its file names.

/** Manifests without signed summaries that are read to find what depends on a backup. */
const MAX_READ = 10;
/** Names in a message. */
const MAX_NAMES = 5;

/**
 * Pins a backup, which no rule and no request removes then, or changes its note.
 *
 * Throws `backup_not_found` (404), `backup_being_removed`, `too_many_pins` (409), `manifest_unsigned` or
 * `manifest_forged` (422), `pins_forged`, `storage_error` (500).
 */
export async function pinBackup(
	engine: Engine,
	fileName: string,
	note: string,
): Promise<{ name: string; pin: Pin }> {
	const name = await requireBackup(engine, fileName);
	const pinned = await pin(engine, name, note);
	// A removal writes its mark before it reads the pins: one of the two sees the other.
	if ((await readMarks(engine))[name]?.removing) {
		await unpin(engine, name);
		throw beingRemoved();
	}
	return { name, pin: pinned };
}

/** Takes a pin back, if there is one. Returns the backup's name. Throws what {@link pinBackup} throws. */
export async function unpinBackup(engine: Engine, fileName: string): Promise<string> {
	const name = nameOf(fileName);
	await unpin(engine, name);
	return name;
}

/**
 * Withdraws the mark of a backup, if there is one. Where no rule keeps it, the next run marks it again, and
 * its grace begins anew. Returns its name. Throws `backup_not_found` (404), `backup_being_removed` (409).
 */
export async function unmarkBackup(engine: Engine, fileName: string): Promise<string> {
	const name = nameOf(fileName);
	await changeMarks(engine, (marks) => {
		if (!Object.hasOwn(marks, name)) return marks;
		if (marks[name]?.removing) throw beingRemoved();
		return Object.fromEntries(Object.entries(marks).filter(([marked]) => marked !== name));
	});
	return name;
}

/** A backup that a person wants gone. */
export interface RequestedRemoval {
	name: string;
	mark: Mark;
	isNew: boolean;
}

/**
 * Marks a backup for removal, because a person wants it gone: no rule keeps it then, but the floors do. The
 * same grace applies as to all, from when it was first marked. `isNew` is false if somebody had asked before.
 *
 * Throws `backup_not_found` (404), `backup_needed`, `backup_kept` (409), `manifest_unsigned` or
 * `manifest_forged` (422), and what {@link outlook} and `record` throw.
 */
export async function requestRemoval(
	engine: Engine,
	retention: Retention,
	fileName: string,
): Promise<RequestedRemoval> {
	const name = await requireBackup(engine, fileName);
	const view = await outlook(engine, retention, { most: MAX_READ });
	const wanted = (mark: Mark | undefined): Mark => ({
		...(mark ?? { at: engine.now() }),
		by: 'request',
	});
	const children = view.found.backups.filter((one) => one.parent === name && one.signed !== false);
	if (children.length > 0) throw needed(children.map((child) => child.name));
	const reasons = reasonsToKeep(view, retention, { name, mark: wanted(view.marks[name]) });
	if (reasons.length > 0) throw kept(reasons);
	await retention.record('mark', [name]);
	const marks = await changeMarks(engine, (before) => ({
		...before,
		[name]: wanted(before[name]),
	}));
	const isNew = view.marks[name]?.by !== 'request';
	return { name, mark: marks[name] ?? wanted(undefined), isNew };
}

/** Why a backup stays although it is marked on request; empty if it may go. */
function reasonsToKeep(
	view: Outlook,
	retention: Retention,
	{ name, mark }: { name: string; mark: Mark },
): Reason[] {
	const backups = view.found.backups.map((one) =>
		one.name === name ? { ...one, signed: true } : one,
	);
	const marks = { ...view.marks, [name]: mark };
	const asked = { ...view, found: { ...view.found, backups }, marks };
	const { plan } = outlookOf(asked, retention, view.now);
	const decision = plan.decisions.find((one) => one.name === name);
	if (decision === undefined) throw backupNotFound();
	return decision.keep ? decision.reasons : [];
}

/** The name of a backup that the app itself has made. */
async function requireBackup({ bucket, keys }: Engine, fileName: string): Promise<string> {
	return (await readManifest(bucket, fileName, keys)).manifest.name;
}

/** The name of the backup that a file belongs to, be it there or not. */
function nameOf(fileName: string): string {
	const name = backupOfFile(fileName) ?? backupOfFile(manifestKey(fileName));
	if (name === null) throw backupNotFound();
	return name;
}

function beingRemoved(): LifeboatError {
	return new LifeboatError('This backup is being removed.', {
		code: 'backup_being_removed',
		status: 409,
		hint: 'Nothing was changed. Its grace is over, and parts of it may be gone. Use another backup.',
	});
}

function needed(names: string[]): LifeboatError {
	const more = names.length - MAX_NAMES;
	const listed = names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
	return new LifeboatError(`Other backups cannot be restored without this one: ${listed}.`, {
		code: 'backup_needed',
		status: 409,
		hint: 'Nothing was marked. Remove those first, or leave it to the retention policy, which removes this one after them.',
	});
}

function kept(reasons: Reason[]): LifeboatError {
	return new LifeboatError(
		`This backup must stay: ${reasons.map(({ text }) => text).join('; ')}.`,
		{
			code: 'backup_kept',
			status: 409,
			hint: 'Nothing was marked. docs/retention.md explains each reason; a pinned backup can be unpinned.',
		},
	);
}
