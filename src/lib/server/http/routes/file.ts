import * as v from 'valibot';
import { requireFetch } from '../../access/token.ts';
import { tokenSettings } from '../../access/token-settings.ts';
import { describeFile, openFile } from '../../backup/index.ts';
import { isVolume } from '../../backup/format/names.ts';
import { BackupDiffers, OutsideProofSchema } from '../../backup/format/proof.ts';
import { drillBackup, recordProof, verifyBackup } from '../../backup/prove/prove.ts';
import { apiRoute } from '../route.ts';
import { drillDatabase } from '../../environment.ts';
import { fileAnswer } from '../download.ts';
import { backupSettings, engineOf } from '../../backup/settings.ts';
import { readJson } from '../input.ts';
import { readLook } from '../../operations/health.ts';
import { rememberLook } from '../../operations/looks.ts';
import { watchFetch, watchProof } from '../../operations/watch.ts';

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
});
