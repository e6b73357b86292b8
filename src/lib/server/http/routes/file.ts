import * as v from 'valibot';
import { type Caller, requireCode } from '../../access/index.ts';
import { requireFetch } from '../../access/token.ts';
import { tokenSettings } from '../../access/token-settings.ts';
import type { Engine } from '../../backup/engine.ts';
import { describeFile, openFile } from '../../backup/index.ts';
import { isVolume } from '../../backup/format/names.ts';
import { BackupDiffers, OutsideProofSchema } from '../../backup/format/proof.ts';
import { showMark, showPin } from '../../backup/keep/outlook.ts';
import { NoteSchema } from '../../backup/keep/pins.ts';
import {
	pinBackup,
	requestRemoval,
	unmarkBackup,
	unpinBackup,
} from '../../backup/keep/requests.ts';
import { drillBackup, recordProof, verifyBackup } from '../../backup/prove/prove.ts';
import { openWhole, type WholeBackup } from '../../backup/prove/whole.ts';
import type { R2Object } from '../../platform.ts';
import type { Call } from '../call.ts';
import type { Work } from '../progress.ts';
import { apiRoute } from '../route.ts';
import { drillDatabase } from '../../environment.ts';
import { fileAnswer, wholeHeaders } from '../download.ts';
import { bodyOf } from '../stream.ts';
import { backupSettings, engineOf } from '../../backup/settings.ts';
import { readJson } from '../input.ts';
import { readLook } from '../../operations/health.ts';
import { rememberLook } from '../../operations/looks.ts';
import { retentionOf } from '../../operations/retention.ts';
import { watchFetch, watchProof, watchRequest } from '../../operations/watch.ts';

const Action = v.variant('action', [
	v.strictObject({ action: v.picklist(['verify', 'drill']) }),
	v.strictObject({ action: v.literal('proof'), proof: OutsideProofSchema }),
	v.strictObject({ action: v.literal('pin'), note: v.optional(NoteSchema, '') }),
	v.strictObject({ action: v.literal('unpin') }),
	v.strictObject({ action: v.literal('unmark') }),
]);
type Action = v.InferOutput<typeof Action>;
type Decision = Extract<Action, { action: 'pin' | 'unpin' | 'unmark' }>;
type Proving = Exclude<Action, Decision>;

/**
 * A file of a backup. The first volume of a differential comes with the unchanged slices of its parent, as
 * one file; with `?stored`, like any other file, as it is stored, or a range of it.
 */
export const GET = apiRoute('fetch', async (call) => {
	const caller = await call.admit();
	if (caller.kind === 'token') requireFetch(tokenSettings(call.env));
	const { bucket } = backupSettings(call.env);
	const file = await describeFile(bucket, call.params.filename ?? '');
	call.note({ backup: file.key, bytes: file.size });
	const isStored = call.url.searchParams.has('stored');
	const whole = isStored ? null : await openWhole(engineOf(call.env), file.key);
	if (whole) return wholeAnswer(call, file, whole);
	const { status, headers, range, empty } = fileAnswer(call.request, file);
	if (empty) return new Response(null, { status, headers });
	if (isVolume(file.key)) await watchFetch(call.operations(), file.key, call.network());
	const { body } = await openFile(bucket, file, range);
	return new Response(body as unknown as ReadableStream, { status, headers });
});

async function wholeAnswer(call: Call, file: R2Object, whole: WholeBackup): Promise<Response> {
	const { bytes, parent } = whole;
	call.note({ bytes, parent });
	const headers = wholeHeaders(file, bytes);
	if (call.request.method === 'HEAD') return new Response(null, { headers });
	await watchFetch(call.operations(), file.key, call.network());
	return new Response(bodyOf(whole.open(), bytes), { headers });
}

export const HEAD = GET;

/** Proves a backup, records a proof that was made elsewhere, pins a backup, or withdraws its mark. */
export const POST = apiRoute('prove', async (call) => {
	const caller = await call.admit();
	const body = await readJson(call.request, Action);
	call.operation = body.action;
	return isDecision(body) ? decisionWork(call, caller, body) : proveWork(call, caller, body);
});

/** Marks a backup for removal: it stays for the time of grace. */
export const DELETE = apiRoute('delete', async (call) => {
	const caller = await call.admit();
	requireCode(caller);
	const engine = engineOf(call.env);
	const operations = call.operations();
	const retention = retentionOf(operations, { kind: caller.kind, address: call.address() });
	await caller.spend();
	const { name, mark } = await watchRequest(operations, call.address(), () =>
		requestRemoval(engine, retention, call.params.filename ?? ''),
	);
	call.note({ backup: name });
	return Response.json({ success: true, backup: name, mark: showMark(mark) }, { status: 202 });
});

function isDecision(body: Action): body is Decision {
	return body.action === 'pin' || body.action === 'unpin' || body.action === 'unmark';
}

async function proveWork(call: Call, caller: Caller, body: Proving): Promise<Work> {
	const engine = engineOf(call.env);
	const filename = call.params.filename ?? '';
	const scratch = body.action === 'drill' ? drillDatabase(call.env) : null;
	await caller.spend();
	return async (report) => {
		const operations = call.operations();
		const proof = await watchProof(operations, () => {
			if (body.action === 'proof') return recordProof(engine, filename, body.proof);
			if (scratch) return drillBackup(engine, scratch, filename, report);
			return verifyBackup(engine, filename, report);
		});
		if (operations.isOneOfSeveral) {
			await rememberLook(operations, readLook(operations));
		}
		call.note({ backup: proof.backup, rows: proof.rows, bytes: proof.bytes });
		if (!proof.proven && body.action !== 'proof') throw new BackupDiffers(proof);
		return { status: 200, result: { proof } };
	};
}

async function decisionWork(call: Call, caller: Caller, body: Decision): Promise<Work> {
	requireCode(caller);
	const engine = engineOf(call.env);
	await caller.spend();
	return async () => {
		const result = await decide(engine, call.params.filename ?? '', body);
		call.note({ backup: result.backup });
		return { status: 200, result };
	};
}

/** What a person has decided about a backup, and what holds now. */
interface Decided {
	backup: string;
	pin?: ReturnType<typeof showPin> | null;
	mark?: null;
}

async function decide(engine: Engine, filename: string, body: Decision): Promise<Decided> {
	if (body.action === 'unpin') return { backup: await unpinBackup(engine, filename), pin: null };
	if (body.action === 'unmark') return { backup: await unmarkBackup(engine, filename), mark: null };
	const { name, pin } = await pinBackup(engine, filename, body.note);
	return { backup: name, pin: showPin(pin) };
}
