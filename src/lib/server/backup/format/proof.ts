import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { ENGINE_VERSION, type LastProof, type Scope } from './manifest.ts';

/** Differences that a proof names, and characters of each: it is for people to read. */
const MAX_DIFFERENCES = 20;
const MAX_DIFFERENCE_LENGTH = 300;
const MAX_BY_LENGTH = 100;
/** What proofs that the app itself has made say of where that was. */
export const WORKER = 'worker';

/** A time as `toISOString` prints it: its text is in a file name, and sorts as the time does. */
const Time = v.pipe(
	v.string(),
	v.isoTimestamp(),
	v.check(
		(text) => !Number.isNaN(Date.parse(text)) && new Date(text).toISOString() === text,
		'Write times in UTC with milliseconds, as in 2026-11-22T21:52:00.000Z.',
	),
);
const Kind = v.picklist(['verify', 'drill']);
/** Proofs of older versions were all about the contents. */
const ProvenScope = v.optional(v.picklist(['contents', 'stored'] satisfies Scope[]), 'contents');
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const found = {
	kind: Kind,
	/** Where it ran: {@link WORKER}, or what the caller says. */
	by: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_BY_LENGTH)),
	startedAt: Time,
	finishedAt: Time,
	proven: v.boolean(),
	/** What was looked at: `stored` where the backup is encrypted and could not be opened. */
	scope: ProvenScope,
	tables: Count,
	rows: Count,
	/** Bytes of SQL; as stored where nothing more was looked at. */
	bytes: Count,
	/** What is not as the manifest says, in words. */
	differences: v.pipe(
		v.array(v.pipe(v.string(), v.maxLength(MAX_DIFFERENCE_LENGTH))),
		v.maxLength(MAX_DIFFERENCES),
	),
};

const ProofSchema = v.object({
	/** The format of this object; docs/format.md describes it. */
	format: v.literal(1),
	backup: v.string(),
	...found,
	engine: v.object({ version: v.string() }),
});

/** What a verification or a drill of a backup found. Never changed, beside the backup. */
export type Proof = v.InferOutput<typeof ProofSchema>;

/** What somebody else found, who may have been anywhere: nothing more than this, and no nonsense. */
export const OutsideProofSchema = v.pipe(
	v.strictObject({ ...found, by: v.pipe(found.by, v.notValue(WORKER)) }),
	v.check(
		({ startedAt, finishedAt }) => startedAt <= finishedAt,
		'finishedAt is before startedAt.',
	),
	v.check(
		({ proven, differences }) => !proven || differences.length === 0,
		'What differs is not proven.',
	),
	v.check(
		({ kind, scope }) => kind === 'verify' || scope === 'contents',
		'A drill is about the contents.',
	),
);
export type OutsideProof = v.InferOutput<typeof OutsideProofSchema>;

const SummarySchema = v.object({ kind: Kind, at: Time, proven: v.boolean(), scope: ProvenScope });

/** One line about a proof, which its object has as metadata: what a list needs. */
export type ProofSummary = LastProof & { kind: Proof['kind'] };

/** The name of a proof: `<name>.proof-<ISO time>.json`. */
export function proofKey(name: string, finishedAt: string): string {
	return `${proofPrefix(name)}${finishedAt}.json`;
}

/** What the names of all proofs of a backup begin with; in their order they are in order of time. */
export function proofPrefix(name: string): string {
	return `${name}.proof-`;
}

/** A proof of what was found. */
export function toProof(backup: string, found: OutsideProof): Proof {
	return { format: 1, backup, ...found, engine: { version: ENGINE_VERSION } };
}

/** At most as many differences, and as much of each, as a proof holds. */
export function shorten(differences: string[]): string[] {
	const rest = differences.length - MAX_DIFFERENCES + 1;
	const named =
		rest > 1 ? [...differences.slice(0, MAX_DIFFERENCES - 1), `And ${rest} more.`] : differences;
	return named.map((text) =>
		text.length > MAX_DIFFERENCE_LENGTH ? `${text.slice(0, MAX_DIFFERENCE_LENGTH - 1)}…` : text,
	);
}

/** The proof as the JSON that is stored. */
export function printProof(proof: Proof): string {
	return `${JSON.stringify(proof, null, '\t')}\n`;
}

/** Reads a stored proof; null when it cannot be read: such a proof is none. */
export function parseProof(text: string | undefined): Proof | null {
	return read(ProofSchema, text);
}

/** What a list needs of a proof. */
export function summarizeProof({ kind, finishedAt, proven, scope }: Proof): ProofSummary {
	return { kind, at: finishedAt, proven, scope };
}

/** A summary from the text in a proof's custom metadata; null when that is none. */
export function parseProofSummary(text: string | undefined): ProofSummary | null {
	return read(SummarySchema, text);
}

/** `backup_differs` (422): a backup is not what it should be. The answer shows the proof. */
export class BackupDiffers extends LifeboatError {
	readonly proof: Proof;

	constructor(proof: Proof) {
		super('This backup is not what its manifest says.', {
			code: 'backup_differs',
			status: 422,
			hint: 'Do not rely on it: make another backup, and see in the proof what differs.',
		});
		this.proof = proof;
	}

	override toJSON() {
		return { ...super.toJSON(), proof: this.proof };
	}
}

function read<T extends v.GenericSchema>(
	schema: T,
	text: string | undefined,
): v.InferOutput<T> | null {
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
	return result.success ? result.output : null;
}
