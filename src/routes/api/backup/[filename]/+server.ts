import * as v from 'valibot';
import { requireCode } from '$lib/server/access/code';
import { describeFile, openFile } from '$lib/server/backup/index';
import { BackupDiffers, OutsideProofSchema } from '$lib/server/backup/proof';
import { drillBackup, recordProof, verifyBackup } from '$lib/server/backup/prove';
import { backupSettings, drillDatabase } from '$lib/server/config';
import { fileAnswer } from '$lib/server/download';
import { engineOf } from '$lib/server/engine';
import { readJson } from '$lib/server/input';
import { workResponse } from '$lib/server/progress';
import { errorResponse } from '$lib/server/respond';
import type { RequestHandler } from './$types';

const Action = v.variant('action', [
	v.strictObject({ action: v.picklist(['verify', 'drill']) }),
	v.strictObject({ action: v.literal('proof'), proof: OutsideProofSchema }),
]);

/** A file of a backup as it is stored, or the part of it that is asked for. */
export const GET: RequestHandler = async ({ request, params, platform }) => {
	try {
		const { totpSecret, bucket } = backupSettings(platform?.env);
		await requireCode(request, totpSecret, Date.now());
		const file = await describeFile(bucket, params.filename);
		const { status, headers, range, empty } = fileAnswer(request, file);
		if (empty) return new Response(null, { status, headers });
		const { body } = await openFile(bucket, file, range);
		return new Response(body as unknown as ReadableStream, { status, headers });
	} catch (error) {
		return errorResponse(error);
	}
};

export const HEAD = GET;

/** Proves a backup here, or records what somebody else has found. */
export const POST: RequestHandler = async ({ request, params: { filename }, platform }) => {
	try {
		const { totpSecret } = backupSettings(platform?.env);
		await requireCode(request, totpSecret, Date.now());
		const body = await readJson(request, Action);
		const engine = engineOf(platform?.env);
		return await workResponse(request, async (report) => {
			if (body.action === 'proof')
				return ok({ proof: await recordProof(engine, filename, body.proof) });
			const proof =
				body.action === 'verify'
					? await verifyBackup(engine, filename, report)
					: await drillBackup(engine, drillDatabase(platform?.env), filename, report);
			if (!proof.proven) throw new BackupDiffers(proof);
			return ok({ proof });
		});
	} catch (error) {
		return errorResponse(error);
	}
};

const ok = (result: object) => ({ status: 200, result });
