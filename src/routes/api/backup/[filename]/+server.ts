import { requireCode } from '$lib/server/access/code';
import { describeFile, openFile } from '$lib/server/backup/index';
import { backupSettings } from '$lib/server/config';
import { fileAnswer } from '$lib/server/download';
import { errorResponse } from '$lib/server/respond';
import type { RequestHandler } from './$types';

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
