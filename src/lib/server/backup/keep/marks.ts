import * as v from 'valibot';
import { changeSigned, readSigned, type SignedContext, signedKind } from './signed-state.ts';

/** How long a backup stays after it was marked, in milliseconds: long enough to read an alert. */
export const GRACE_MS = 7 * 24 * 3_600_000;

const Moment = v.pipe(v.number(), v.safeInteger());

const MarkSchema = v.object({
	/** When it was marked, in milliseconds since 1970. */
	at: Moment,
	/** `rule`: no rule keeps it. `request`: a person wants it gone. */
	by: v.picklist(['rule', 'request']),
	/** Whether its removal has begun, and may be unfinished. */
	removing: v.optional(v.literal(true)),
	/** When a lock rule of the bucket last kept it, in milliseconds since 1970. */
	lockedAt: v.optional(Moment),
});

/** That a backup is about to be removed. It says when, but decides nothing: the plan does, at that time. */
export type Mark = v.InferOutput<typeof MarkSchema>;

/** The marks of a database, by the names of backups. */
export type Marks = Readonly<Record<string, Mark>>;

const MARKS = signedKind<Marks>('marks', v.record(v.string(), MarkSchema), {});

/** The marks; none if the app has not signed them. Throws `storage_error` (500). */
export async function readMarks(context: SignedContext): Promise<Marks> {
	return (await readSigned(context, MARKS)) ?? {};
}

/**
 * Changes the marks, and returns them. `change` may be called several times, and may throw. Throws
 * `storage_error` (500), `state_contended` (503).
 */
export function changeMarks(
	context: SignedContext,
	change: (marks: Marks) => Marks,
): Promise<Marks> {
	return changeSigned(context, MARKS, (marks) => change(marks ?? {}));
}

/** From when a marked backup may be removed, in milliseconds since 1970. */
export function removableFrom({ at }: Mark): number {
	return at + GRACE_MS;
}

/** The mark of a backup whose removal has not begun: as long as its manifest is there, nothing of it is gone. */
export function asNotBegun({ at, by, lockedAt }: Mark): Mark {
	return { at, by, ...(lockedAt !== undefined && { lockedAt }) };
}
