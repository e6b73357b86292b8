import type { Sleep } from '../../retry.ts';
import { databaseError, type SqlDatabase } from '../database.ts';
import { LifeboatError } from '../../errors.ts';
import { foldCase } from '../sql.ts';
import { Claim, noteLeftover } from './claim.ts';
import type { Existing } from './claimable.ts';
import { type Head, parseHead } from './parse.ts';
import { readReferences } from './references.ts';
import type { SqlSource } from './source.ts';
import { dropped, fitsStage, planStaging, putBack, Staging, type StagingPlan } from './staging.ts';
import { readStatements, type Statement } from './statements.ts';
import { refuseOtherStatements, refuseReservedNames, type Survey } from './survey.ts';
import { TRANSACTION_BYTES, TRANSACTION_STATEMENTS, Transactions } from './transactions.ts';

/** How far a restore has come. */
export interface RestoreProgress {
	bytes: number;
	totalBytes: number;
	statements: number;
	/** The table whose rows were restored last; null before the first row. */
	table: string | null;
}

export interface RestoreOptions {
	/** What is in the file. */
	survey: Survey;
	sleep: Sleep;
	/** Whether to remove what the database holds, because it was saved elsewhere. */
	replace?: boolean;
	onProgress?(progress: RestoreProgress): void;
}

export interface RestoreSummary {
	/** `atomic`: in one transaction; `batches`: in several. */
	mode: 'atomic' | 'batches';
	statements: number;
	bytes: number;
}

/**
 * Restores a file into an empty database, or with `replace` in place of its contents. If the
 * restore fails, the database is empty afterwards; if it is killed, a part of the file and the
 * marker of its claim remain.
 *
 * Throws LifeboatError: `restore_running`, `target_not_empty` and `name_taken` (409), in which case
 * nothing was changed; `restore_refused` (422) with the place in the file, `restore_disturbed`
 * (409), `database_error` (500), `database_unavailable` (503), and what {@link readStatements}
 * throws.
 */
export async function restoreInto(
	database: SqlDatabase,
	source: SqlSource,
	options: RestoreOptions,
): Promise<RestoreSummary> {
	return whileClaimed(database, options, existing(options), async (claim) => {
		const loader = new Loader(database, claim, options);
		await loader.load(source);
		await loader.finish();
		return loader.summary;
	});
}

/**
 * Restores a file into an empty database, calls `inspect`, and empties the database again. Removes
 * first what a killed restore has left, if nothing else is there. Throws what {@link restoreInto}
 * and `inspect` throw, and `restore_disturbed` (409) if the database has other contents afterwards,
 * which then stay.
 */
export async function rehearse(
	database: SqlDatabase,
	source: SqlSource,
	options: RestoreOptions,
	inspect: () => Promise<void>,
): Promise<void> {
	return whileClaimed(database, options, 'leftover', async (claim) => {
		const loader = new Loader(database, claim, options);
		await loader.load(source);
		await loader.flush();
		await inspect();
		await claim.clear();
	});
}

/**
 * Claims the database while `load` restores the file by other means. If `load` fails after it has
 * created something, that stays, and so does the marker.
 */
export async function restoreBy(
	database: SqlDatabase,
	options: RestoreOptions,
	load: () => Promise<void>,
): Promise<void> {
	return whileClaimed(database, options, existing(options), async (claim) => {
		const renewal = setInterval(() => void claim.renew().catch(() => {}), RENEW_AFTER_MS);
		try {
			await load();
		} finally {
			clearInterval(renewal);
		}
		await claim.leave();
	});
}

function existing({ replace = false }: RestoreOptions): Existing {
	return replace ? 'replace' : 'refuse';
}

/** Claims the database and runs `work`. If that fails, removes what it has created. */
export async function whileClaimed<T>(
	database: SqlDatabase,
	{ survey, sleep }: RestoreOptions,
	existing: Existing,
	work: (claim: Claim) => Promise<T>,
): Promise<T> {
	requireOwn(survey);
	refuseReservedNames(survey);
	refuseOtherStatements(survey);
	try {
		const claim = await Claim.take(database, sleep, existing);
		try {
			return await work(claim);
		} catch (error) {
			await claim.clear().catch(noteLeftover);
			throw error;
		}
	} catch (error) {
		throw databaseError(error);
	}
}

/** Milliseconds between two renewals of a claim, if the restore has no transactions of its own. */
const RENEW_AFTER_MS = 20_000;

/** Refuses a file that Lifeboat did not write. Throws `file_has_no_digests` (422). */
function requireOwn({ core }: Survey): void {
	if (core !== null) return;
	throw new LifeboatError('Lifeboat did not write this file. Nothing was changed.', {
		code: 'file_has_no_digests',
		status: 422,
		hint: 'Restore it with `npm run restore`, which takes the files of other tools too.',
	});
}

class Loader {
	readonly #database: SqlDatabase;
	readonly #options: RestoreOptions;
	readonly #transactions: Transactions;
	readonly #staging: Staging;
	readonly #atomic: boolean;
	#plan: StagingPlan | null = null;
	#done = 0;
	#table: string | null = null;

	constructor(database: SqlDatabase, claim: Claim, options: RestoreOptions) {
		this.#database = database;
		this.#options = options;
		this.#transactions = new Transactions(database, options.sleep, claim);
		this.#staging = new Staging(claim.prefix);
		const { bytes, statements } = options.survey;
		this.#atomic = bytes < TRANSACTION_BYTES && statements < TRANSACTION_STATEMENTS;
	}

	get summary(): RestoreSummary {
		const { bytes } = this.#options.survey;
		return { mode: this.#atomic ? 'atomic' : 'batches', statements: this.#done, bytes };
	}

	/** Runs the file. A part of it may wait for {@link flush} or {@link finish}. */
	async load(source: SqlSource): Promise<void> {
		for await (const statements of readStatements(source)) {
			for (const statement of statements) await this.#add(statement, parseHead(statement.sql));
			this.#report(statements.at(-1)?.end ?? 0);
		}
	}

	/** Runs what is waiting, and keeps the claim. */
	async flush(): Promise<void> {
		await this.#transactions.flush();
		this.#report(this.#options.survey.bytes);
	}

	/** Runs what is waiting, and gives up the claim with it. */
	async finish(): Promise<void> {
		await this.#transactions.finish();
		this.#report(this.#options.survey.bytes);
	}

	async #add(statement: Statement, head: Head): Promise<void> {
		this.#done++;
		if (head.kind === 'pragma') return; // each transaction has its own
		if (head.kind !== 'rows') return this.#transactions.add({ ...statement, table: null });
		this.#table = head.table;
		const { columns } = head;
		const staged = columns !== null && (await this.#isStaged(head.table, columns));
		const statements = staged
			? this.#staging.stage(statement, { ...head, columns })
			: [{ ...statement, table: head.table }];
		for (const each of statements) await this.#transactions.add(each);
		if (statement.number === this.#plan?.moveAfter) await this.#move(statement);
	}

	async #isStaged(table: string, columns: string[]): Promise<boolean> {
		if (this.#atomic || !fitsStage(columns)) return false;
		if (this.#plan === null) {
			await this.#transactions.flush(); // now all tables exist
			const references = await readReferences(this.#database, this.#options.sleep);
			this.#plan = planStaging(references, this.#options.survey.rowStatements);
		}
		return this.#plan.tables.has(foldCase(table));
	}

	/**
	 * Moves all staged rows in one transaction, because they may refer to each other in any order.
	 */
	async #move(statement: Statement): Promise<void> {
		await this.#transactions.flush();
		const moves = this.#staging.all.flatMap((stage) =>
			[putBack(stage), dropped(stage)].map((sql) => ({ ...statement, sql, table: stage.table })),
		);
		await this.#transactions.run(moves);
	}

	#report(bytes: number): void {
		const { survey, onProgress } = this.#options;
		const progress = { bytes, totalBytes: survey.bytes, statements: this.#done };
		onProgress?.({ ...progress, table: this.#table });
	}
}
