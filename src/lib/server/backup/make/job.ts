import { EncryptJWT, errors, jwtDecrypt, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { FenceSchema } from '../dump/reader.ts';
import { CheckpointSchema } from '../dump/checkpoint.ts';
import { CostSchema, VolumeSchema } from '../format/manifest.ts';
import type { BackupKey } from '../format/signature.ts';

/** How long the next step may be begun, in milliseconds. */
export const TICKET_MS = 15 * 60_000;

const ALGORITHM = 'HS256';
/** The key itself encrypts (RFC 7518, section 4.5), with AES-256-GCM (section 5.3). */
const ENCRYPTION = { alg: 'dir', enc: 'A256GCM' };
const TICKET = 'lifeboat resume ticket';
const JOB = 'lifeboat backup job';

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const TicketSchema = v.object({
	/** Name of the backup that is being made. */
	name: v.string(),
	/** The step that may be begun, from 2. */
	step: Count,
});
/** The right to begin one step of one backup. */
export type Ticket = v.InferOutput<typeof TicketSchema>;

const JobSchema = v.object({
	name: v.string(),
	/** The step that comes next or is running, from 1. */
	step: Count,
	/** Milliseconds since 1970. */
	startedAt: v.number(),
	/** Dumps begun. */
	attempts: Count,
	/** How all volumes are stored. */
	encoding: v.object({ gzip: v.boolean(), recipients: v.array(v.string()) }),
	/** Where the dump goes on; null where it begins anew. */
	checkpoint: v.nullable(
		v.object({
			dump: CheckpointSchema,
			fence: FenceSchema,
			/** Milliseconds since 1970. */
			at: v.number(),
		}),
	),
	/** Bookmark of the dump's first query. */
	bookmark: v.nullable(v.string()),
	/** Volumes that are stored. */
	volumes: v.array(VolumeSchema),
	cost: CostSchema,
});
/** A backup that is being made, as one step leaves it to the next. */
export type Job = v.InferOutput<typeof JobSchema>;

/**
 * The job of a step that is begun again. Its try before may have ended because the database's object
 * was made anew, so the counter of changes is not enough to tell that the state is the same.
 */
export function doubtful(job: Job): Job {
	const { checkpoint } = job;
	if (checkpoint === null) return job;
	return {
		...job,
		checkpoint: { ...checkpoint, fence: { ...checkpoint.fence, needsBookmark: true } },
	};
}

/** A ticket as text that nobody else can make: a JSON Web Token (RFC 7519), good until `expiresAt`. */
export function printTicket(key: Uint8Array, ticket: Ticket, expiresAt: number): Promise<string> {
	return new SignJWT(ticket)
		.setProtectedHeader({ alg: ALGORITHM })
		.setAudience(TICKET)
		.setExpirationTime(new Date(expiresAt))
		.sign(key);
}

/** Reads a ticket. Throws `ticket_invalid` or `ticket_expired` (403). */
export async function readTicket(
	keys: readonly BackupKey[],
	text: string,
	now: number,
): Promise<Ticket> {
	const options = {
		algorithms: [ALGORITHM],
		audience: TICKET,
		requiredClaims: ['exp'],
		currentDate: new Date(now),
	};
	const payload = await opened(
		keys.map(({ ticket }) => ticket),
		async (key) => (await jwtVerify(text, key, options)).payload,
	);
	return v.parse(TicketSchema, payload);
}

/**
 * A job as text that nobody else can make or read: it holds SQL that the next step runs and rows that
 * are not digested yet, and lies in a bucket that others may use. A JSON Web Encryption (RFC 7516).
 */
export function printJob({ state }: BackupKey, job: Job): Promise<string> {
	return new EncryptJWT({ job }).setProtectedHeader(ENCRYPTION).setAudience(JOB).encrypt(state);
}

/** Reads the job of a backup. Throws `ticket_invalid` (403) where it is not a job of ours, or of another backup. */
export async function readJob(
	keys: readonly BackupKey[],
	text: string,
	name: string,
): Promise<Job> {
	const options = {
		keyManagementAlgorithms: [ENCRYPTION.alg],
		contentEncryptionAlgorithms: [ENCRYPTION.enc],
		audience: JOB,
	};
	const { job } = await opened(
		keys.map(({ state }) => state),
		async (key) => (await jwtDecrypt(text, key, options)).payload,
	);
	const { success, output } = v.safeParse(JobSchema, job); // another version may have left it
	if (!success || output.name !== name) throw invalid();
	return output;
}

/** What the first of the keys opens that fits. */
async function opened(
	keys: Uint8Array[],
	open: (key: Uint8Array) => Promise<JWTPayload>,
): Promise<JWTPayload> {
	for (const key of keys) {
		try {
			return await open(key);
		} catch (error) {
			if (error instanceof errors.JWTExpired) throw expired();
			if (!(error instanceof errors.JOSEError)) throw error;
		}
	}
	throw invalid();
}

function invalid(): LifeboatError {
	return new LifeboatError('This is no ticket of this app.', {
		code: 'ticket_invalid',
		status: 403,
		hint: 'Send the value of "resume" of the last answer as it is, or begin a new backup.',
	});
}

function expired(): LifeboatError {
	return new LifeboatError('This ticket has expired.', {
		code: 'ticket_expired',
		status: 403,
		hint: 'Begin a new backup. What this one has left behind is removed then.',
	});
}
