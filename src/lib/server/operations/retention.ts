import type { Retention } from '../backup/keep/outlook.ts';
import type { Pruned } from '../backup/keep/prune.ts';
import type { LifeboatError } from '../errors.ts';
import * as alerts from './alerts.ts';
import { type Entry, recordFirst } from './audit-log.ts';
import type { Operations } from './index.ts';
import { isNewlyNotPruned, takeUntoldMarks } from './sent-alerts.ts';

/** How a run that prunes has ended. */
export type PruneEnd = { pruned: Pruned } | { failure: LifeboatError };

/** The caller of what the app does by itself. */
const APP: Entry['caller'] = { kind: 'app', address: '' };

/**
 * What retention works with, on behalf of a caller, by default the app itself. Throws LifeboatError (500) if
 * a setting is not valid.
 */
export function retentionOf(operations: Operations, caller = APP): Retention {
	const { settings, policy, auditLog, now, isOneOfSeveral, name: database } = operations;
	return {
		policy: policy(),
		maxAgeMs: settings.maxAgeMs,
		record: (operation, backups) =>
			recordFirst(auditLog, {
				time: new Date(now()).toISOString(),
				operation,
				outcome: 'done',
				...(isOneOfSeveral && { database }),
				backups: [...backups],
				caller,
			}),
	};
}

/** The alerts after a run that prunes. Never throws: what cannot be determined is logged. */
export async function afterPrune(operations: Operations, end: PruneEnd): Promise<alerts.Alert[]> {
	const { bucket, now } = operations;
	try {
		if ('failure' in end) {
			const { failure } = end;
			const isNew = await isNewlyNotPruned(bucket, failure.code, now());
			return isNew ? [alerts.notPruned(failure)] : [];
		}
		const { marked, backups } = end.pruned;
		const standing = backups.filter(
			({ mark, action }) => mark?.by === 'rule' && action !== 'unmark',
		);
		const isUntold = standing.length > 0 && (await takeUntoldMarks(bucket));
		const told = isUntold ? standing : standing.filter(({ name }) => marked.includes(name));
		return told.length > 0 ? [alerts.marked(told)] : [];
	} catch (error) {
		console.error('The alerts after pruning could not be determined:', error);
		return [];
	}
}
