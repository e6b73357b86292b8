import { EncryptJWT, errors, jwtDecrypt, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { FenceSchema } from '../dump/reader.ts';
import { CheckpointSchema } from '../dump/checkpoint.ts';
import type { BackupStep, Engine } from '../engine.ts';
import { CostSchema, VolumeSchema } from '../format/manifest.ts';
import { COMPRESSIONS, startOf } from '../format/names.ts';
import type { BackupKey } from '../format/signature.ts';

/** How long a ticket is valid after the pause that its plan wants, in milliseconds. */
export const TICKET_MS = 15 * 60_000;

const ALGORITHM = 'HS256';
/** The key itself encrypts (RFC 7518, section 4.5), with AES-256-GCM (section 5.3). */
const ENCRYPTION = { alg: 'dir', enc: 'A256GCM' };
const TICKET = 'lifeboat resume ticket';
const JOB = 'lifeboat backup job';

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const TicketSchema = v.object({
	/** Name of the unfinished backup. */
	name: v.string(),
	/** The step that may be taken, from 2. */
	step: Count,
});
/** The right to take one step of one backup. */
export type Ticket = v.InferOutput<typeof TicketSchema>;

const JobSchema = v.object({
	name: v.string(),
	/** The next or current step, from 1. */
	step: Count,
	/** Milliseconds since 1970. */
	startedAt: v.number(),
	/** Dumps started. */
	attempts: Count,
	/** Whether the pages are staged, because the database is in use. */
	staged: v.boolean(),
	/**
	 * Whether they are staged to read the terms of FTS5 indexes alone, or these are left out because that
	 * could not be done; undefined as long as neither is known.
	 */
	terms: v.optional(v.picklist(['staged', 'left out'])),
	/** How long other queries waited for the stage, in milliseconds. */
	waitedMs: Count,
	/** How all volumes are stored. */
	encoding: v.object({ compression: v.picklist(COMPRESSIONS), recipients: v.array(v.string()) }),
	/** Where the dump continues; null if it starts over. */
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
	/** The full backup on which this one rests; null for a full one. */
	parent: v.nullable(v.object({ name: v.string(), mac: v.string() })),
	/** The stored volumes, the slices in them, and the order of those and the parent's. */
	volumes: v.array(VolumeSchema),
	slices: v.array(v.string()),
	runs: v.array(v.object({ of: v.picklist(['own', 'parent']), first: Count, last: Count })),
	/** Bytes of SQL of these slices. */
	sqlBytes: Count,
	/** The SQL of the slice that the next step continues. */
	openSlice: v.string(),
	cost: CostSchema,
});
/** An unfinished backup, as one step leaves it to the next. */
export type Job = v.InferOutput<typeof JobSchema>;

/** The part of a {@link Job} that is reset when its dump starts, or starts over. */
export const NOTHING_DONE = {
	checkpoint: null,
	volumes: [],
	slices: [],
	runs: [],
	sqlBytes: 0,
	openSlice: '',
	bookmark: null,
};

/**
 * The job of a step that is repeated. The first try may have failed because the database's object was
 * restarted, so the counter of changes alone does not show that nobody wrote.
 */
export function doubtful(job: Job): Job {
	const { checkpoint } = job;
	if (checkpoint === null) return job;
	const fence = { ...checkpoint.fence, needsBookmark: true };
	return { ...job, checkpoint: { ...checkpoint, fence } };
}

/** When a ticket that is handed out now expires, in milliseconds since 1970. */
export function ticketEnd({ now, budget }: Engine): number {
	return now() + budget.pause + TICKET_MS;
}

/** The answer with a ticket for the next step of a job; `until` is in milliseconds since 1970. */
export async function ticketFor(
	{ budget }: Engine,
	signer: BackupKey,
	job: Job,
	until: number,
): Promise<BackupStep> {
	const { name, step, sqlBytes, checkpoint } = job;
	const { tables, current } = checkpoint?.dump ?? { tables: [], current: null };
	const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
	return {
		resume: await printTicket(signer, { name, step }, until),
		...(budget.pause > 0 && { retryAfter: Math.ceil(budget.pause / 1000) }),
		progress: {
			name,
			step: step - 1,
			tables: tables.length,
			rows: sum(tables.map(({ rows }) => rows)) + (current?.digest.rows ?? 0),
			sqlBytes,
		},
	};
}

function printTicket(key: BackupKey, ticket: Ticket, until: number): Promise<string> {
	return signTicket(key, TICKET, ticket, until);
}

/**
 * A ticket as a signed JSON Web Token (RFC 7519); `what` says what it is for, `until` when it expires,
 * in milliseconds since 1970.
 */
export function signTicket(
	key: BackupKey,
	what: string,
	ticket: Record<string, unknown>,
	until: number,
): Promise<string> {
	return new SignJWT(ticket)
		.setProtectedHeader({ alg: ALGORITHM })
		.setAudience(about(what, key))
		.setExpirationTime(new Date(until))
		.sign(key.ticket);
}

/** The audience of a ticket or a job, which is for one database only. */
function about(what: string, { databases }: Pick<BackupKey, 'databases'>): string {
	return [what, ...(databases?.slice(0, 1) ?? [])].join(' ');
}

/**
 * A key with an end opens no ticket and no job: anyone who knows it could have the next step run SQL of
 * theirs. A backup that is under way when the key is replaced has to be started again.
 */
function current(keys: readonly BackupKey[]): BackupKey[] {
	return keys.filter(({ until }) => until === undefined);
}

/** Reads a ticket. Throws `ticket_invalid` or `ticket_expired` (403). */
export async function readTicket(
	keys: readonly BackupKey[],
	text: string,
	now: number,
): Promise<Ticket> {
	return openTicket(keys, { what: TICKET, schema: TicketSchema }, text, now);
}

/**
 * Reads a ticket of a kind. Throws `ticket_invalid`, also for one that another version has written, or
 * `ticket_expired` (403).
 */
export async function openTicket<T>(
	keys: readonly BackupKey[],
	{ what, schema }: { what: string; schema: v.GenericSchema<unknown, T> },
	text: string,
	now: number,
): Promise<T> {
	const options = {
		algorithms: [ALGORITHM],
		requiredClaims: ['exp'],
		currentDate: new Date(now),
	};
	const payload = await openWithAny(current(keys), async (key) => {
		const opened = await jwtVerify(text, key.ticket, { ...options, audience: about(what, key) });
		return opened.payload;
	});
	const { success, output } = v.safeParse(schema, payload);
	if (!success) throw invalid();
	return output;
}

/**
 * A job as a JSON Web Encryption (RFC 7516), which nobody else can forge or read: it contains SQL that
 * the next step runs and rows that are not digested yet, and is stored in a bucket that others may use.
 */
export function printJob(key: BackupKey, job: Job): Promise<string> {
	const token = new EncryptJWT({ job }).setProtectedHeader(ENCRYPTION);
	return token.setAudience(about(JOB, key)).encrypt(key.state);
}

/** Reads the job of a backup. Throws `ticket_invalid` (403) if it is not one of ours, or another backup's. */
export async function readJob(
	keys: readonly BackupKey[],
	text: string,
	name: string,
): Promise<Job> {
	const options = {
		keyManagementAlgorithms: [ENCRYPTION.alg],
		contentEncryptionAlgorithms: [ENCRYPTION.enc],
	};
	const { job } = await openWithAny(current(keys), async (key) => {
		const opened = await jwtDecrypt(text, key.state, { ...options, audience: about(JOB, key) });
		return opened.payload;
	});
	const { success, output } = v.safeParse(JobSchema, job); // another version may have written it
	if (!success || output.name !== name) throw invalid();
	return output;
}

/** Whether two names are of one backup, which may have become a full one. */
export function isSameBackup(name: string, other: string): boolean {
	return startOf(name) === startOf(other);
}

/** Opens a token with the first key that fits. Throws `ticket_invalid` or `ticket_expired` (403). */
async function openWithAny(
	keys: BackupKey[],
	open: (key: BackupKey) => Promise<JWTPayload>,
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
	return new LifeboatError('This is not a ticket of this app.', {
		code: 'ticket_invalid',
		status: 403,
		hint: 'Send the value of "resume" from the last answer unchanged, or start a new backup.',
	});
}

function expired(): LifeboatError {
	return new LifeboatError('This ticket has expired.', {
		code: 'ticket_expired',
		status: 403,
		hint: 'Start a new backup, which removes what this one has left.',
	});
}
