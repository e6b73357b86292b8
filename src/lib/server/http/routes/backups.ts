import * as v from 'valibot';
import { listBackups, resumeBackup, startBackup } from '../../backup/index.ts';
import type { BackupStep } from '../../backup/engine.ts';
import { summarize } from '../../backup/format/manifest.ts';
import type { Call } from '../call.ts';
import { engineOf, storageWarnings } from '../../backup/settings.ts';
import { readJson, readQuery } from '../input.ts';
import type { Done } from '../progress.ts';
import { apiRoute } from '../route.ts';
import { undueBackup } from '../../operations/due.ts';
import { listContext, removeOldData } from '../../operations/index.ts';
import { watchBackup } from '../../operations/watch.ts';

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
