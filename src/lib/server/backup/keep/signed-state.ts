import * as v from 'valibot';
import type { R2Bucket } from '../../platform.ts';
import { type BackupKey, isKeepMac, keepMac } from '../format/signature.ts';
import { changeState, readState, type StateKind } from '../storage/state.ts';

// What people and rules have decided about the backups of a database. It lies outside the prefixes of
// backups, where a lock rule would freeze it, and is signed, so that write access to the bucket alone is
// not enough to change it.

/** A small signed object in the bucket. */
export interface SignedKind<T> {
	what: string;
	state: StateKind<Stored<T>>;
}

interface Stored<T> {
	/** When it was written, in milliseconds since 1970: a key that was replaced signs nothing later. */
	at: number;
	value: T;
	mac: string;
}

/** What signed objects are read and written with. */
export interface SignedContext {
	bucket: R2Bucket;
	/** What the app calls the database. */
	name: string;
	signer: BackupKey | null;
	keys: readonly BackupKey[];
	/** Milliseconds since 1970. */
	now(): number;
}

/** Describes an object of this name; `empty` is its value while it does not exist. */
export function signedKind<T extends object>(
	what: string,
	schema: v.GenericSchema<unknown, T>,
	empty: T,
): SignedKind<T> {
	const Moment = v.pipe(v.number(), v.safeInteger());
	return {
		what,
		state: {
			key: `keep/${what}.json`,
			schema: v.object({ at: Moment, value: schema, mac: v.string() }),
			empty: { at: 0, value: empty, mac: '' },
			unreadable: { at: 0, value: empty, mac: 'unreadable' },
		},
	};
}

/** The value; null if the app has not signed it. Throws `storage_error` (500). */
export async function readSigned<T>(
	context: SignedContext,
	kind: SignedKind<T>,
): Promise<T | null> {
	return open(context, kind, await readState(context.bucket, kind.state));
}

/**
 * Changes the value, and returns it. `change` gets null if the app has not signed it, and returns the same
 * value to change nothing; it may throw, and may be called several times. Throws `storage_error` (500),
 * `state_contended` (503).
 */
export async function changeSigned<T>(
	context: SignedContext,
	kind: SignedKind<T>,
	change: (value: T | null) => T,
): Promise<T> {
	const { bucket, name: database, signer, now } = context;
	const { value } = await changeState(bucket, kind.state, (stored) => {
		const before = open(context, kind, stored);
		const value = change(before);
		if (value === before) return stored;
		const at = now();
		const mac = signer ? keepMac({ what: kind.what, database, at, value }, signer) : '';
		return { at, value, mac };
	});
	return value;
}

function open<T>(
	{ name: database, keys }: SignedContext,
	{ what, state }: SignedKind<T>,
	stored: Stored<T>,
): T | null {
	const { at, value, mac } = stored;
	if (stored === state.empty) return value;
	if (stored === state.unreadable) return null;
	return isKeepMac(mac, { what, database, at, value }, keys) ? value : null;
}
