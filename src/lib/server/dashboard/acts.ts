import * as v from 'valibot';
import { requireAllowed } from '../access/addresses.ts';
import { liftLockout } from '../access/lockout.ts';
import { countRun } from '../access/session-runs.ts';
import { accessSettings, lockoutScope } from '../access/settings.ts';
import { BackupDiffers, type Proof } from '../backup/format/proof.ts';
import { manifestKey } from '../backup/format/names.ts';
import { showMark } from '../backup/keep/outlook.ts';
import { NoteSchema } from '../backup/keep/pins.ts';
import { pinBackup, requestRemoval, unmarkBackup, unpinBackup } from '../backup/keep/requests.ts';
import { pruneNow } from '../backup/keep/run.ts';
import { drillBackup, verifyBackup } from '../backup/prove/prove.ts';
import { bucket, drillDatabase } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { readLook } from '../operations/health.ts';
import { rememberLook } from '../operations/looks.ts';
import { watchProof, watchPrune } from '../operations/watch.ts';
import { type Desk, deskOf, forgetList } from './facts.ts';
import { forgetOlder } from './older.ts';
import { type Deed, recorded } from './recorded.ts';
import { requireTypedCode, typedCode } from './typed-code.ts';
import type { Visit } from './visit.ts';

/** What was done, in a sentence. */
export interface Outcome {
	message: string;
}

/**
 * Verifies or drills a backup, for which a session is enough: neither shows its contents nor removes anything.
 * Throws `too_many_runs` (429), `backup_differs` (422), and what the engine throws.
 */
export function prove(visit: Visit, name: string, kind: Proof['kind']): Promise<Outcome> {
	return recorded(visit, kind, async (deed) => {
		const { engine, operations } = deskOf(visit);
		const scratch = kind === 'drill' ? drillDatabase(visit.env) : null;
		await countRun(bucket(visit.env), visit.now);
		deed.begin();
		const file = manifestKey(name);
		const proof = await watchProof(operations, () =>
			scratch ? drillBackup(engine, scratch, file) : verifyBackup(engine, file),
		);
		forgetList(engine);
		await forgetOlder(engine, name);
		if (operations.isOneOfSeveral) await rememberLook(operations, readLook(operations));
		deed.begin({ backup: proof.backup, rows: proof.rows, bytes: proof.bytes });
		if (!proof.proven) throw new BackupDiffers(proof);
		const isStored = proof.scope === 'stored';
		const found = isStored ? 'Its stored bytes are intact' : 'It is proven';
		return { message: `${found}: ${proof.tables} tables, ${proof.rows} rows.` };
	});
}

/** Pins a backup with a note. Takes a code. Throws `note_invalid` (400), and what {@link pinBackup} throws. */
export function pin(visit: Visit, name: string, form: FormData): Promise<Outcome> {
	return recorded(visit, 'pin', async (deed) => {
		const note = v.safeParse(NoteSchema, form.get('note') ?? '');
		if (!note.success) throw noteInvalid();
		const { engine } = await withCode(visit, form, { deed, backup: name });
		await pinBackup(engine, manifestKey(name), note.output);
		return { message: 'Pinned: nothing removes this backup.' };
	});
}

/** Takes a pin back. Takes a code. Throws what {@link unpinBackup} throws. */
export function unpin(visit: Visit, name: string, form: FormData): Promise<Outcome> {
	return recorded(visit, 'unpin', async (deed) => {
		const { engine } = await withCode(visit, form, { deed, backup: name });
		await unpinBackup(engine, manifestKey(name));
		return { message: 'Unpinned: the retention policy decides again.' };
	});
}

/** Withdraws the mark of a backup. Takes a code. Throws what {@link unmarkBackup} throws. */
export function unmark(visit: Visit, name: string, form: FormData): Promise<Outcome> {
	return recorded(visit, 'unmark', async (deed) => {
		const { engine } = await withCode(visit, form, { deed, backup: name });
		await unmarkBackup(engine, manifestKey(name));
		return { message: 'The mark is withdrawn.' };
	});
}

/**
 * Marks a backup for removal, whose name the person has typed, and takes a code. Throws `name_differs` (400),
 * and what {@link requestRemoval} throws: `backup_needed`, `backup_kept` (409).
 */
export function remove(visit: Visit, name: string, form: FormData): Promise<Outcome> {
	return recorded(visit, 'delete', async (deed) => {
		if (String(form.get('name') ?? '').trim() !== name) throw nameDiffers();
		const { engine, retention } = deskOf(visit);
		await requireTypedCode(visit, form);
		// It records the mark before it makes it.
		const { mark } = await requestRemoval(engine, retention, manifestKey(name));
		deed.begin({ backup: name });
		const from = showMark(mark).removableAt.slice(0, 16).replace('T', ' ');
		return {
			message: `Marked: it may be removed from ${from} UTC. Until then you can withdraw this.`,
		};
	});
}

/** Prunes now, under the same rules as after a backup. Takes a code. Throws what {@link pruneNow} throws. */
export function prune(visit: Visit, form: FormData): Promise<Outcome> {
	return recorded(visit, 'prune', async (deed) => {
		const { engine, retention, operations } = await withCode(visit, form, { deed });
		const pruned = await watchPrune(operations, () => pruneNow(engine, retention));
		forgetList(engine);
		const { marked, removed, unmarked, locked } = pruned;
		return {
			message: `Marked ${marked.length}, removed ${removed.length}, withdrew ${unmarked.length} marks; ${locked.length} are locked.`,
		};
	});
}

/**
 * Lifts the lockout of six-digit codes. Takes a code in its long form: somebody who guesses six digits with a
 * stolen session must not get more guesses. Throws `long_code_needed` (403), and what {@link typedCode} throws.
 */
export function lift(visit: Visit, form: FormData): Promise<Outcome> {
	return recorded(visit, 'lift_lock', async (deed) => {
		const { bucket, totp, ...settings } = accessSettings(visit.env);
		requireAllowed(settings.addresses, visit.address);
		if (!totp.isLongCode(String(form.get('code') ?? '').trim())) throw longCodeNeeded();
		const caller = await typedCode(visit, form);
		await caller.spend();
		await deed.record();
		await liftLockout(bucket, lockoutScope(settings));
		return { message: 'The lockout is lifted, and all wrong codes are forgotten.' };
	});
}

/**
 * The desk of a person who has typed a code, which is used up now. The audit log has what they are about to do
 * before they do it. Throws `storage_error` (500) if it cannot be written: then nothing happens.
 */
async function withCode(
	visit: Visit,
	form: FormData,
	{ deed, backup }: { deed: Deed; backup?: string },
): Promise<Desk> {
	const desk = deskOf(visit);
	await requireTypedCode(visit, form);
	await deed.record(backup === undefined ? {} : { backup });
	return desk;
}

function noteInvalid(): LifeboatError {
	return new LifeboatError('This note cannot be shown as it is.', {
		code: 'note_invalid',
		status: 400,
		hint: 'Write one line of at most 200 characters, without control characters.',
	});
}

function nameDiffers(): LifeboatError {
	return new LifeboatError('The name that you typed is not that of this backup.', {
		code: 'name_differs',
		status: 400,
		hint: 'Nothing was marked. Type the whole name, as the page shows it.',
	});
}

function longCodeNeeded(): LifeboatError {
	return new LifeboatError('Six digits cannot lift the lockout.', {
		code: 'long_code_needed',
		status: 403,
		hint: 'Type the long code that `node genTotp.js --long` prints, or run `npm run unlock`.',
	});
}
