import * as v from 'valibot';
import { createBackup, listBackups } from '$lib/server/backup/index';
import { summarize } from '$lib/server/backup/manifest';
import { requireCode } from '$lib/server/access/code';
import { backupSettings } from '$lib/server/config';
import { engineOf } from '$lib/server/engine';
import { readJson, readQuery } from '$lib/server/input';
import { workResponse } from '$lib/server/progress';
import { errorResponse } from '$lib/server/respond';
import type { RequestHandler } from './$types';

const Action = v.strictObject({ action: v.literal('backup') });

const Page = v.object({
	cursor: v.optional(v.string()),
	limit: v.optional(
		v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number), v.minValue(1), v.maxValue(100)),
	),
});

/** Makes a backup: 201, or lines of progress where the caller accepts them. */
export const POST: RequestHandler = async ({ request, platform }) => {
	try {
		const settings = backupSettings(platform?.env);
		await requireCode(request, settings.totpSecret, Date.now());
		await readJson(request, Action, { action: 'backup' });
		const engine = engineOf(settings);
		return await workResponse(request, 201, async (report) => ({
			backup: summarize(await createBackup(engine, report)),
		}));
	} catch (error) {
		return errorResponse(error);
	}
};

/** Lists the complete backups, newest first. */
export const GET: RequestHandler = async ({ request, url, platform }) => {
	try {
		const { totpSecret, bucket } = backupSettings(platform?.env);
		await requireCode(request, totpSecret, Date.now());
		return Response.json(await listBackups(bucket, readQuery(url, Page)));
	} catch (error) {
		return errorResponse(error);
	}
};
