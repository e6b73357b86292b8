import { errors, jwtVerify, SignJWT } from 'jose';
import * as v from 'valibot';
import { LifeboatError } from '../errors.ts';
import { FenceSchema } from './dump/reader.ts';
import { CheckpointSchema } from './dump/script.ts';
import { CostSchema, VolumeSchema } from './manifest.ts';
import type { BackupKey } from './signature.ts';

/** How long the next step may be begun, in milliseconds. */
export const TICKET_MS = 15 * 60_000;

const ALGORITHM = 'HS256';
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
	/** Number of the next volume but the first. */
	nextVolume: Count,
	cost: CostSchema,
});
/** A backup that is being made, as one step leaves it to the next. */
export type Job = v.InferOutput<typeof JobSchema>;

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
	const payload = await open(keys, text, { audience: TICKET, now, requiredClaims: ['exp'] });
	return v.parse(TicketSchema, payload);
}

/**
 * A job as text that nobody else can make: it holds SQL that the next step runs, and lies in a bucket
 * that others may write to.
 */
export function printJob(key: Uint8Array, job: Job): Promise<string> {
	return new SignJWT({ job }).setProtectedHeader({ alg: ALGORITHM }).setAudience(JOB).sign(key);
}

/** Reads a job. Throws `ticket_invalid` (403) where it is none of ours. */
export async function readJob(keys: readonly BackupKey[], text: string, now: number): Promise<Job> {
	const { job } = await open(keys, text, { audience: JOB, now, requiredClaims: [] });
	return v.parse(JobSchema, job);
}

async function open(
	keys: readonly BackupKey[],
	text: string,
	{ audience, now, requiredClaims }: { audience: string; now: number; requiredClaims: string[] },
): Promise<Record<string, unknown>> {
	const options = { algorithms: [ALGORITHM], audience, requiredClaims, currentDate: new Date(now) };
	for (const { ticket: key } of keys) {
		try {
			return (await jwtVerify(text, key, options)).payload;
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
