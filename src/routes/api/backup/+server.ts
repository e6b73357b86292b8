import * as v from 'valibot';
import { listBackups, resumeBackup, startBackup } from '$lib/server/backup/index';
import type { BackupStep } from '$lib/server/backup/engine';
import { summarize } from '$lib/server/backup/format/manifest';
import type { Call } from '$lib/server/http/call';
import { engineOf, storageWarnings } from '$lib/server/backup/settings';
import { readJson, readQuery } from '$lib/server/http/input';
import type { Done } from '$lib/server/http/progress';
import { apiRoute } from '$lib/server/http/route';
import { undueBackup } from '$lib/server/operations/due';
import { listContext, removeOldData } from '$lib/server/operations/index';
import { watchBackup } from '$lib/server/operations/watch';

const Action = v.variant('action', [
	v.strictObject({
		action: v.literal('backup'),
		when: v.optional(v.picklist(['always', 'due']), 'always'),
	}),
	v.strictObject({ action: v.literal('resume'), ticket: v.string() }),
]);

const Page = v.object({
	cursor: v.optional(v.string()),
	limit: v.optional(
		v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1), v.maxValue(100)),
	),
});

/** Makes a backup, or one step of it: 201 when it is done, 202 if steps are left, 200 if none is due. */
export const POST = apiRoute('backup', async (call) => {
	const caller = await call.admit();
	const body = await readJson(call.request, Action, { action: 'backup' });
	call.operation = body.action;
	const operations = call.operations();
	if (body.action === 'backup') {
		const backup = body.when === 'due' ? await undueBackup(operations) : null;
		if (backup) {
			await removeOldData(operations);
			return () => Promise.resolve({ status: 200, result: { due: false, backup } });
		}
		await caller.spend();
	}
	call.warnings.push(...storageWarnings(call.env));
	return async (report) => {
		const step = await watchBackup(operations, report, (report) => {
			const engine = engineOf(call.env);
			return body.action === 'backup'
				? startBackup(engine, report)
				: resumeBackup(engine, body.ticket, report);
		});
		return answer(call, step);
	};
});

/** Lists the complete backups, newest first. */
export const GET = apiRoute('list', async (call) => {
	await call.admit();
	const context = listContext(call.operations());
	return Response.json(await listBackups(context, readQuery(call.url, Page)));
});

function answer(call: Call, step: BackupStep): Done {
	if (!('manifest' in step)) {
		const { retryAfter } = step;
		return { status: 202, result: step, ...(retryAfter && { retryAfter }) };
	}
	const backup = summarize(step.manifest);
	call.note({ backup: backup.name, rows: backup.rows, bytes: backup.sqlBytes });
	if (backup.waitedMs !== undefined) call.note({ waitedMs: backup.waitedMs });
	if (backup.warnings > 0) call.note({ warnings: backup.warnings });
	return { status: 201, result: { backup } };
}
