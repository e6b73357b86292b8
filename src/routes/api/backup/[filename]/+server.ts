import * as v from 'valibot';
import { requireFetch } from '$lib/server/access/token';
import { tokenSettings } from '$lib/server/access/token-settings';
import { describeFile, openFile } from '$lib/server/backup/index';
import { isVolume } from '$lib/server/backup/format/names';
import { BackupDiffers, OutsideProofSchema } from '$lib/server/backup/format/proof';
import { drillBackup, recordProof, verifyBackup } from '$lib/server/backup/prove/prove';
import { apiRoute } from '$lib/server/http/route';
import { drillDatabase } from '$lib/server/environment';
import { fileAnswer } from '$lib/server/http/download';
import { backupSettings, engineOf } from '$lib/server/backup/settings';
import { readJson } from '$lib/server/http/input';
import { watchFetch, watchProof } from '$lib/server/operations/watch';

const Action = v.variant('action', [
	v.strictObject({ action: v.picklist(['verify', 'drill']) }),
	v.strictObject({ action: v.literal('proof'), proof: OutsideProofSchema }),
]);

/** A file of a backup as stored, or the requested range of it. */
export const GET = apiRoute('fetch', async (call) => {
	const caller = await call.admit();
	if (caller.kind === 'token') requireFetch(tokenSettings(call.env));
	const { bucket } = backupSettings(call.env);
	const file = await describeFile(bucket, call.params.filename ?? '');
	call.note({ backup: file.key, bytes: file.size });
	const { status, headers, range, empty } = fileAnswer(call.request, file);
	if (empty) return new Response(null, { status, headers });
	if (isVolume(file.key)) await watchFetch(call.operations(), file.key, call.network());
	const { body } = await openFile(bucket, file, range);
	return new Response(body as unknown as ReadableStream, { status, headers });
});

export const HEAD = GET;

/** Proves a backup, or records a proof that was made elsewhere. */
export const POST = apiRoute('prove', async (call) => {
	const caller = await call.admit();
	const body = await readJson(call.request, Action);
	call.operation = body.action;
	const engine = engineOf(call.env);
	const filename = call.params.filename ?? '';
	const scratch = body.action === 'drill' ? drillDatabase(call.env) : null;
	await caller.spend();
	return async (report) => {
		const proof = await watchProof(call.operations(), () => {
			if (body.action === 'proof') return recordProof(engine, filename, body.proof);
			if (scratch) return drillBackup(engine, scratch, filename, report);
			return verifyBackup(engine, filename, report);
		});
		call.note({ backup: proof.backup, rows: proof.rows, bytes: proof.bytes });
		if (!proof.proven && body.action !== 'proof') throw new BackupDiffers(proof);
		return { status: 200, result: { proof } };
	};
});
