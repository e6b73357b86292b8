import * as v from 'valibot';
import { type Caller, requireCode } from '../../access/index.ts';
import { pageOf, resumeBackup, startBackup } from '../../backup/index.ts';
import type { BackupStep } from '../../backup/engine.ts';
import { KIND_CHOICES } from '../../backup/make/parent.ts';
import { previewPrune } from '../../backup/keep/prune.ts';
import { pruneNow } from '../../backup/keep/run.ts';
import { summarize } from '../../backup/format/manifest.ts';
import { placeOf, requireKnown } from '../../environment.ts';
import type { Call } from '../call.ts';
import { engineOf, storageWarnings } from '../../backup/settings.ts';
import { readJson, readQuery } from '../input.ts';
import type { Done, Work } from '../progress.ts';
import { apiRoute } from '../route.ts';
import { factsOf } from '../../operations/audit-log.ts';
import { undueBackup } from '../../operations/due.ts';
import { type Operations, removeOldData } from '../../operations/index.ts';
import { readKept } from '../../operations/kept.ts';
import { rememberBackups } from '../../operations/looks.ts';
import { retentionOf } from '../../operations/retention.ts';
import { sharedBucketWarnings } from '../../operations/shared-bucket.ts';
import { watchBackup, watchPrune } from '../../operations/watch.ts';
import { runContext } from '../../run/context.ts';
import { DatabasesFailed } from '../../run/failed.ts';
import { newRun, requireSame } from '../../run/state.ts';
import { type RunStep, takeRunStep } from '../../run/step.ts';
import { printRun, readRun } from '../../run/ticket.ts';

const Action = v.variant('action', [
	v.strictObject({
		action: v.literal('backup'),
		when: v.optional(v.picklist(['always', 'due']), 'always'),
		kind: v.optional(v.picklist(KIND_CHOICES), 'auto'),
	}),
	v.strictObject({ action: v.literal('resume'), ticket: v.string() }),
	v.strictObject({ action: v.literal('prune'), dryRun: v.optional(v.boolean(), true) }),
]);

type Action = Exclude<v.InferOutput<typeof Action>, { action: 'prune' }>;

/** Manifests without signed summaries that a list reads. */
const MAX_READ = 5;

const Page = v.object({
	cursor: v.optional(v.string()),
	limit: v.optional(
		v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1), v.maxValue(100)),
	),
});

/**
 * Makes a backup, or one step of it: 201 when it is done, 202 if steps are left, 200 if none is due. For
 * all databases, if the call names them so, one after the other. Or prunes old backups of one database.
 */
export const POST = apiRoute('backup', async (call) => {
	const caller = await call.admit({ mayBeAll: true });
	const body = await readJson(call.request, Action, { action: 'backup' });
	call.operation = body.action;
	if (body.action === 'prune') return pruneWork(call, caller, body);
	if (call.env?.isAll) {
		call.operation = `${body.action}_all`;
		call.isAppWide = true;
		return runWork(call, caller, body);
	}
	const operations = call.operations();
	if (body.action === 'backup') {
		const backup = body.when === 'due' ? await undueBackup(operations) : null;
		if (backup) {
			await removeOldData(operations);
			return () => Promise.resolve({ status: 200, result: { due: false, backup } });
		}
		await caller.spend();
	}
	call.warnings.push(...storageWarnings(call.env), ...(await sharedBucketWarnings(call.env)));
	return async (report) => {
		const step = await watchBackup(operations, report, ({ report, prune }) => {
			const engine = engineOf(call.env);
			const afterwards = prune(engine);
			return body.action === 'backup'
				? startBackup(engine, report, { kind: body.kind, afterwards })
				: resumeBackup(engine, body.ticket, report, { afterwards });
		});
		if ('manifest' in step && operations.isOneOfSeveral) {
			const { name: database } = operations;
			await rememberBackups(operations, [{ database, backup: summarize(step.manifest) }]);
		}
		return answer(call, step);
	};
});

/**
 * Lists the complete backups of a database, newest first, with what retention does with each, and the names
 * of all databases.
 */
export const GET = apiRoute('list', async (call) => {
	await call.admit();
	const query = readQuery(call.url, Page);
	const { backups, retention } = await readKept(call.operations(), { most: MAX_READ });
	const { database, databases } = placeOf(call.env);
	return Response.json({ ...pageOf(backups, query), retention, database, databases });
});

/** Says what retention would do with each backup, or does it, for which a token is not enough. */
async function pruneWork(
	call: Call,
	caller: Caller,
	{ dryRun }: { dryRun: boolean },
): Promise<Work> {
	requireKnown(call.env);
	const operations = call.operations();
	const engine = engineOf(call.env);
	const retention = retentionOf(operations, { kind: caller.kind, address: call.address() });
	if (dryRun) {
		call.operation = 'prune_dry_run';
		return async () => ({
			status: 200,
			result: { dryRun, ...(await previewPrune(engine, retention)) },
		});
	}
	requireCode(caller);
	await caller.spend();
	return async () => {
		const pruned = await watchPrune(operations, () => pruneNow(engine, retention));
		return { status: 200, result: { dryRun, ...pruned } };
	};
}

/** Backs up all databases, or takes a step of that, which only a code that is not spent begins. */
async function runWork(call: Call, caller: Caller, body: Action): Promise<Work> {
	const { kind } = caller;
	const context = runContext(call.env, call.url, { kind, address: call.address() });
	const { databases, operations } = context;
	const { now } = operations;
	const state =
		body.action === 'resume'
			? await readRun(operations.keys(), body.ticket, now())
			: newRun(databases, { ...body, now: now() });
	requireSame(state, databases);
	if (body.action === 'backup') await caller.spend();
	call.warnings.push(...storageWarnings(call.env), ...(await sharedBucketWarnings(call.env)));
	return async (report) => runAnswer(operations, await takeRunStep(context, state, report));
}

/** Throws `databases_failed` (500) at the end of a run in which some did. */
async function runAnswer({ keys, now }: Operations, step: RunStep): Promise<Done> {
	const { state, done, databases, failed, retryAfter } = step;
	const [key] = keys();
	if (state && key) {
		const resume = await printRun(key, state, { now: now(), retryAfter });
		const pause = retryAfter !== undefined && { retryAfter };
		return {
			status: 202,
			result: { resume, ...pause, step: state.step, databases, done },
			...pause,
		};
	}
	if (failed.length > 0) throw new DatabasesFailed(step);
	return { status: 201, result: { databases, done } };
}

function answer(call: Call, step: BackupStep): Done {
	if (!('manifest' in step)) {
		const { retryAfter } = step;
		return { status: 202, result: step, ...(retryAfter && { retryAfter }) };
	}
	const backup = summarize(step.manifest);
	call.note(factsOf(backup));
	return { status: 201, result: { backup } };
}
