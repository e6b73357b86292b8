import type { Sleep } from '../../retry.ts';
import type { SqlDatabase } from '../database.ts';
import { ALL_TERMS, NeedsStage, type TermsChoice } from './inspect.ts';
import { Reader } from './reader.ts';
import { type DumpOptions, type DumpSummary, writeScript } from './script.ts';
import { dropStage, stageOwner } from '../stage-tables.ts';
import { makeStage } from './stage/make.ts';
import { stageOf } from './stage/read.ts';

/** Stands for the name of a backup in the owner of a stage that no backup made. */
const NAME = 'lifeboat';
const OWNER = stageOwner(NAME, 1);

export interface WholeOptions extends DumpOptions {
	sleep: Sleep;
	/** Of which FTS5 tables to read the terms; by default of all. */
	terms?: TermsChoice;
}

/**
 * Writes a database as an SQL file in one step, while no backup of it is being made. It is staged if
 * some of its FTS5 tables can only be read so. Throws what `writeScript` and `makeStage` throw.
 */
export async function* writeWhole(
	database: SqlDatabase,
	{ sleep, terms = ALL_TERMS, ...options }: WholeOptions,
): AsyncGenerator<Uint8Array, DumpSummary, void> {
	const maxBytes = Number.POSITIVE_INFINITY;
	try {
		const reader = new Reader(database, sleep);
		return yield* writeScript(reader, { ...options, terms: { ...terms, maxBytes } });
	} catch (error) {
		if (!(error instanceof NeedsStage)) throw error;
	}
	const room = () => Number.POSITIVE_INFINITY;
	const making = { owner: OWNER, sleep, now: Date.now, room, terms, mayBeUnfinished: true };
	try {
		const stage = await makeStage(database, making);
		const reader = new Reader(stageOf(database, OWNER), sleep);
		return yield* writeScript(reader, { ...options, stage });
	} finally {
		await dropStage(database, sleep, NAME);
	}
}
