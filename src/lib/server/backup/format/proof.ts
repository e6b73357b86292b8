import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { Count, Sha256 } from './fields.ts';
import { ENGINE_VERSION, type LastProof, type Manifest, type Scope } from './manifest.ts';

/** The most differences in a proof, and the most characters of each: people should read them. */
const MAX_DIFFERENCES = 20;
const MAX_DIFFERENCE_LENGTH = 300;
const MAX_BY_LENGTH = 100;
/** The `by` of proofs that the app itself made. */
export const WORKER = 'worker';

/** A time as `toISOString` prints it, because it is part of a file name and sorts by time. */
const Time = v.pipe(
	v.string(),
	v.isoTimestamp(),
	v.check(
		(text) => !Number.isNaN(Date.parse(text)) && new Date(text).toISOString() === text,
		'Write times in UTC with milliseconds, as in 2026-11-22T21:52:00.000Z.',
	),
);
const Kind = v.picklist(['verify', 'drill']);
/** In older versions all proofs were about the contents. */
const ProvenScope = v.optional(v.picklist(['contents', 'stored'] satisfies Scope[]), 'contents');

const found = {
	kind: Kind,
	/** Where it ran: {@link WORKER}, or what the caller says. */
	by: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_BY_LENGTH)),
	startedAt: Time,
	finishedAt: Time,
	proven: v.boolean(),
	/** What was verified: `stored` if the backup is encrypted and could not be opened. */
	scope: ProvenScope,
	tables: Count,
	rows: Count,
	/** Bytes of SQL, or stored bytes if the scope is `stored`. */
	bytes: Count,
	/** What differs from the manifest, as sentences. */
	differences: v.pipe(
		v.array(v.pipe(v.string(), v.maxLength(MAX_DIFFERENCE_LENGTH))),
		v.maxLength(MAX_DIFFERENCES),
	),
};

const ProofSchema = v.object({
	/** The format of this object; docs/bucket.md describes it. */
	format: v.literal(1),
	backup: v.string(),
	...found,
	/** The warnings in the manifest of the backup; older proofs have none. */
	warnings: v.optional(v.array(v.string())),
	engine: v.object({ version: v.string() }),
	/** HMAC-SHA256 over all of the above; older proofs have none. */
	mac: v.optional(Sha256),
});

/** The result of a verification or a drill, stored next to the backup and never changed. */
export type Proof = v.InferOutput<typeof ProofSchema>;

/** The result of a verification or a drill that ran elsewhere: untrusted, so checked strictly. */
export const OutsideProofSchema = v.pipe(
	v.strictObject({ ...found, by: v.pipe(found.by, v.notValue(WORKER)) }),
	v.check(
		({ startedAt, finishedAt }) => startedAt <= finishedAt,
		'finishedAt is before startedAt.',
	),
	v.check(
		({ proven, differences }) => !proven || differences.length === 0,
		'A backup with differences is not proven.',
	),
	v.check(
		({ kind, scope }) => kind === 'verify' || scope === 'contents',
		'A drill is about the contents.',
	),
);
export type OutsideProof = v.InferOutput<typeof OutsideProofSchema>;

const SummarySchema = v.object({ kind: Kind, at: Time, proven: v.boolean(), scope: ProvenScope });

/** What a list needs of a proof, stored in the metadata of its object. */
export type ProofSummary = LastProof & { kind: Proof['kind'] };

/** The name of a proof: `<name>.proof-<ISO time>.json`. */
export function proofKey(name: string, finishedAt: string): string {
	return `${proofPrefix(name)}${finishedAt}.json`;
}

/** The prefix of all proofs of a backup. Their names sort by time. */
export function proofPrefix(name: string): string {
	return `${name}.proof-`;
}

/** The proof of a result, with the warnings of the backup that it is about. */
export function toProof(
	{ name, warnings }: Pick<Manifest, 'name' | 'warnings'>,
	found: OutsideProof,
): Proof {
	return { format: 1, backup: name, ...found, warnings, engine: { version: ENGINE_VERSION } };
}

/** Cuts a list of differences, and each of them, to what fits a proof. */
export function shorten(differences: string[]): string[] {
	const rest = differences.length - MAX_DIFFERENCES + 1;
	const named =
		rest > 1 ? [...differences.slice(0, MAX_DIFFERENCES - 1), `And ${rest} more.`] : differences;
	return named.map((text) =>
		text.length > MAX_DIFFERENCE_LENGTH ? `${text.slice(0, MAX_DIFFERENCE_LENGTH - 1)}…` : text,
	);
}

/** The proof as JSON, as it is stored. */
export function printProof(proof: Proof): string {
	return `${JSON.stringify(proof, null, '\t')}\n`;
}

/** Reads a proof without checking who signed it; null if it cannot be read. */
export function parseProof(text: string | undefined): Proof | null {
	return read(ProofSchema, text);
}

/** What a list needs of a proof. */
export function summarizeProof({ kind, finishedAt, proven, scope }: Proof): ProofSummary {
	return { kind, at: finishedAt, proven, scope };
}

/** Reads a summary without checking who signed it; null if there is none. */
export function parseProofSummary(text: string | undefined): ProofSummary | null {
	return read(SummarySchema, text);
}

/** `backup_differs` (422): a backup is damaged. The answer contains the proof. */
export class BackupDiffers extends LifeboatError {
	readonly proof: Proof;

	constructor(proof: Proof) {
		super('This backup differs from its manifest.', {
			code: 'backup_differs',
			status: 422,
			hint: 'Do not rely on it: make another backup. The proof says what differs.',
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
