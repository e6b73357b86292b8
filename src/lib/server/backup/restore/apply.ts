import { databaseError, type SqlDatabase } from '../database.ts';
import { type Sleep } from '../../retry.ts';
import { Claim, noteLeftover } from './claim.ts';
import { type Existing } from './claimable.ts';
import { readReferences } from './contents.ts';
import { type Head, readHead } from './parse.ts';
import { foldCase, isOfD1, isStatistics } from '../sql.ts';
import { forTarget } from './rewrite.ts';
import type { SqlSource } from './source.ts';
import { dropped, fitsStage, planStaging, putBack, Staging, type StagingPlan } from './staging.ts';
import { readStatements, type Statement } from './statements.ts';
import { Steps, TRANSACTION_BYTES, TRANSACTION_STATEMENTS } from './transactions.ts';
import { refuseReservedNames, type Survey } from './survey.ts';

/** How far a restore has come. */
export interface RestoreProgress {
	bytes: number;
	totalBytes: number;
	statements: number;
	/** The table whose rows were restored last. */
	table: string | null;
}

export interface RestoreOptions {
	/** What the file holds: {@link Survey}. */
	survey: Survey;
	sleep: Sleep;
	/** True where all that the database holds has been kept elsewhere: it goes. */
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
 * Restores a file into an empty database, or in place of what was kept. A restore that fails leaves
 * the database empty; one that is killed leaves a part of the file and the marker of its claim.
 *
 * Throws LifeboatError: `restore_running`, `target_not_empty` and `name_taken` (409), and then nothing
 * was changed; `restore_refused` (422) with the place in the file, `restore_disturbed` (409),
 * `database_error` (500), `database_unavailable` (503), and what {@link readStatements} throws.
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
 * Restores a file into an empty database, has `inspect` look at it, and empties the database again.
 * What a killed restore has left is removed first where it is all that is there. Throws what
 * {@link restoreInto} and `inspect` throw, and `restore_disturbed` (409) where the database holds
 * something else afterwards, which stays.
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
 * Has `load` restore the file by other means into a database that is claimed meanwhile. Where `load`
 * fails, what it has left is only removed when that is nothing.
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

/** Does the work with the database claimed; where it fails, what it has made is removed. */
export async function whileClaimed<T>(
	database: SqlDatabase,
	{ survey, sleep }: RestoreOptions,
	existing: Existing,
	work: (claim: Claim) => Promise<T>,
): Promise<T> {
	refuseReservedNames(survey);
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

/** A claim is renewed this often where the restore's own transactions do not do it, in milliseconds. */
const RENEW_AFTER_MS = 20_000;

/** What a restore has no use for: transactions and settings, and tables that D1 and SQLite keep. */
function isPassedOver(head: Head, sql: string): boolean {
	if (head.kind === 'transaction' || head.kind === 'pragma') return true;
	if (head.kind === 'create' || head.kind === 'rows') {
		return isOfD1(head.table) || isStatistics(head.table);
	}
	return head.kind === 'other' && /^ANALYZE\b/i.test(sql);
}

class Loader {
	readonly #database: SqlDatabase;
	readonly #options: RestoreOptions;
	readonly #steps: Steps;
	readonly #staging: Staging;
	readonly #atomic: boolean;
	#plan: StagingPlan | null = null;
	#done = 0;
	#table: string | null = null;

	constructor(database: SqlDatabase, claim: Claim, options: RestoreOptions) {
		this.#database = database;
		this.#options = options;
		this.#steps = new Steps(database, options.sleep, claim);
		this.#staging = new Staging(database, options.survey, claim.prefix);
		const { bytes, statements } = options.survey;
		this.#atomic = bytes < TRANSACTION_BYTES && statements < TRANSACTION_STATEMENTS;
	}

	get summary(): RestoreSummary {
		const { bytes } = this.#options.survey;
		return { mode: this.#atomic ? 'atomic' : 'batches', statements: this.#done, bytes };
	}

	/** Takes all of the file in, of which a part may wait for {@link flush} or {@link finish}. */
	async load(source: SqlSource): Promise<void> {
		const { hoisted } = this.#options.survey;
		const first = new Set(hoisted.map(({ number }) => number));
		for (const statement of hoisted) await this.#add(statement, readHead(statement.sql));
		for await (const statements of readStatements(source)) {
			for (const statement of statements) {
				if (!first.has(statement.number)) await this.#add(statement, readHead(statement.sql));
			}
			this.#report(statements.at(-1)?.end ?? 0);
		}
	}

	/** Runs what waits, and the claim stays. */
	async flush(): Promise<void> {
		await this.#steps.flush();
		this.#report(this.#options.survey.bytes);
	}

	/** Runs what waits, and the claim ends with it. */
	async finish(): Promise<void> {
		await this.#steps.finish();
		this.#report(this.#options.survey.bytes);
	}

	async #add(statement: Statement, head: Head): Promise<void> {
		this.#done++;
		if (isPassedOver(head, statement.sql)) return;
		const { sql, ...place } = statement;
		const step = { ...place, statement: forTarget(sql, this.#options.survey) };
		if (head.kind !== 'rows') return this.#steps.add({ ...step, table: null });
		this.#table = head.table;
		const steps = (await this.#isStaged(head))
			? await this.#staging.steps(statement, head)
			: [{ ...step, table: head.table }];
		for (const one of steps) await this.#steps.add(one);
		if (statement.number === this.#plan?.moveBehind) await this.#move(statement);
	}

	async #isStaged(head: Head & { kind: 'rows' }): Promise<boolean> {
		if (this.#atomic || !fitsStage(head)) return false;
		if (this.#plan === null) {
			await this.#steps.flush(); // all tables are there now
			const references = await readReferences(this.#database, this.#options.sleep);
			this.#plan = planStaging(references, this.#options.survey.rowStatements);
		}
		return this.#plan.tables.has(foldCase(head.table));
	}

	/** All staged rows at once: among themselves they may point wherever they like. */
	async #move({ number, start, end }: Statement): Promise<void> {
		await this.#steps.flush();
		const steps = this.#staging.all.flatMap((stage) =>
			[putBack(stage), dropped(stage)].map((statement) => ({
				...{ statement, table: stage.table },
				...{ number, start, end },
			})),
		);
		await this.#steps.run(steps);
	}

	#report(bytes: number): void {
		const { survey, onProgress } = this.#options;
		const progress = { bytes, totalBytes: survey.bytes, statements: this.#done };
		onProgress?.({ ...progress, table: this.#table });
	}
}
