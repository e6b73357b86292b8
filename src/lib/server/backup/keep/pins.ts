import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { changeSigned, readSigned, type SignedContext, signedKind } from './signed-state.ts';

/** Characters of a note. */
const MAX_NOTE_LENGTH = 200;
/** Pins of a database: all of them are one small object. */
const MAX_PINS = 1_000;

/**
 * What would make a note look different from what it is: control characters, breaks of lines, halves of
 * characters, and those that change the direction of text (Unicode, UAX #9).
 */
const HARMFUL = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A note in a call. */
export const NoteSchema = v.pipe(
	v.string(),
	v.maxLength(MAX_NOTE_LENGTH),
	v.check(
		(text) => !HARMFUL.test(text),
		'A note is one line, without control characters and without marks that change its direction.',
	),
);

const PinSchema = v.object({
	/** When it was pinned, in milliseconds since 1970. */
	at: v.pipe(v.number(), v.safeInteger()),
	/** Why, in a person's words; may be empty. */
	note: v.string(),
});

/** A backup that no rule and no request removes. */
export type Pin = v.InferOutput<typeof PinSchema>;

/** The pins of a database, by the names of backups. */
export type Pins = Readonly<Record<string, Pin>>;

const PINS = signedKind<Pins>('pins', v.record(v.string(), PinSchema), {});

/** Throws `pins_forged` (500) if the app has not signed them, `storage_error` (500). */
export async function readPins(context: SignedContext): Promise<Pins> {
	return signed(await readSigned(context, PINS));
}

/** Pins a backup, or changes its note. Throws `too_many_pins` (409), and what {@link readPins} throws. */
export async function pin(context: SignedContext, name: string, note: string): Promise<Pin> {
	const pin = { at: context.now(), note };
	await changeSigned(context, PINS, (found) => {
		const pins = signed(found);
		if (!(name in pins) && Object.keys(pins).length >= MAX_PINS) throw tooManyPins();
		return { ...pins, [name]: pin };
	});
	return pin;
}

/** Removes the pin of a backup, if there is one. Throws what {@link readPins} throws. */
export async function unpin(context: SignedContext, name: string): Promise<void> {
	await changeSigned(context, PINS, (found) => {
		const pins = signed(found);
		if (!(name in pins)) return pins;
		return Object.fromEntries(Object.entries(pins).filter(([pinned]) => pinned !== name));
	});
}

function signed(pins: Pins | null): Pins {
	if (pins) return pins;
	throw new LifeboatError(
		'Which backups are pinned is not known: keep/pins.json was changed, or was signed with a secret that this app does not have.',
		{
			code: 'pins_forged',
			status: 500,
			hint: 'Nothing is removed. If the secret that signs was changed, set the old one as well (docs/deploy.md). Otherwise find out who wrote to the bucket, delete keep/pins.json, and pin again what must stay.',
		},
	);
}

function tooManyPins(): LifeboatError {
	return new LifeboatError(`There are ${MAX_PINS} pins already.`, {
		code: 'too_many_pins',
		status: 409,
		hint: 'Nothing was changed. Unpin another backup first, or let the retention policy keep more.',
	});
}
