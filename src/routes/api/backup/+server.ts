import * as v from 'valibot';
import { type BackupStep, listBackups, resumeBackup, startBackup } from '$lib/server/backup/index';
import { summarize } from '$lib/server/backup/manifest';
import { requireCode } from '$lib/server/access/code';
import { backupSettings } from '$lib/server/config';
import { backupEngineOf } from '$lib/server/engine';
import { readJson, readQuery } from '$lib/server/input';
import { workResponse } from '$lib/server/progress';
import { errorResponse } from '$lib/server/respond';
import type { RequestHandler } from './$types';

const Action = v.variant('action', [
	v.strictObject({ action: v.literal('backup') }),
	v.strictObject({ action: v.literal('resume'), ticket: v.string() }),
]);

const Page = v.object({
	cursor: v.optional(v.string()),
	limit: v.optional(
		v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number), v.minValue(1), v.maxValue(100)),
	),
});

/** Makes a backup, or a step of one: 201, 202 when there is more to do. */
export const POST: RequestHandler = async ({ request, platform }) => {
	try {
		const { totpSecret } = backupSettings(platform?.env);
		await requireCode(request, totpSecret, Date.now());
		const body = await readJson(request, Action, { action: 'backup' });
		const engine = backupEngineOf(platform?.env);
		return await workResponse(request, async (report) =>
			answer(
				body.action === 'backup'
					? await startBackup(engine, report)
					: await resumeBackup(engine, body.ticket, report),
			),
		);
	} catch (error) {
		return errorResponse(error);
	}
};

function answer(step: BackupStep): { status: number; result: object } {
	if ('manifest' in step) return { status: 201, result: { backup: summarize(step.manifest) } };
	return { status: 202, result: step };
}

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
