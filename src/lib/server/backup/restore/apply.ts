import { databaseError, RESTORE_MARKER, type Sleep, type SqlDatabase } from '../database.ts';
import { clearDatabase, readReferences, requireEmpty } from './contents.ts';
import { type Head, readHead } from './heads.ts';
import { foldCase } from './names.ts';
import { forTarget } from './rewrite.ts';
import type { SqlSource } from './source.ts';
import { dropped, fitsStage, planStaging, putBack, Staging, type StagingPlan } from './staging.ts';
import { readStatements, type Statement } from './statements.ts';
import { Steps, TRANSACTION_BYTES, TRANSACTION_STATEMENTS } from './steps.ts';
import type { Survey } from './survey.ts';

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
	/** True where the database is emptied afterwards: the marker stays, so that it always can be. */
	rehearsal?: boolean;
	onProgress?(progress: RestoreProgress): void;
}

export interface RestoreSummary {
	/** `atomic`: in one transaction; `batches`: in several. */
	mode: 'atomic' | 'batches';
	statements: number;
	bytes: number;
}

/**
 * Restores a file into an empty database. A restore that fails leaves it empty again; one that is
 * killed leaves a marker there, by which the next one knows what to remove first.
 *
 * Throws LifeboatError: `target_not_empty` (409), `restore_refused` (422) with the place in the
 * file, `database_error` (500), `database_unavailable` (503), and what {@link readStatements} throws.
 */
export async function restoreInto(
	database: SqlDatabase,
	source: SqlSource,
	options: RestoreOptions,
): Promise<RestoreSummary> {
	await requireEmpty(database, options.sleep).catch((error: unknown) => {
		throw databaseError(error);
	});
	try {
		const loader = new Loader(database, options);
		await loader.load(source);
		return loader.summary;
	} catch (error) {
		await clearDatabase(database, options.sleep).catch((reason: unknown) => {
			console.error('The next restore removes what this one has left:', reason);
		});
		throw databaseError(error);
	}
}

/** What a restore has no use for: transactions and settings, and tables that D1 and SQLite keep. */
export function isPassedOver(head: Head, sql: string): boolean {
	if (head.kind === 'transaction' || head.kind === 'pragma') return true;
	if (head.kind === 'create' || head.kind === 'rows') {
		return /^(_cf_|sqlite_stat)/i.test(head.table);
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

	constructor(database: SqlDatabase, options: RestoreOptions) {
		this.#database = database;
		this.#options = options;
		this.#steps = new Steps(database, options.sleep, RESTORE_MARKER);
		this.#staging = new Staging(database, options.survey);
		const { bytes, statements } = options.survey;
		this.#atomic = bytes < TRANSACTION_BYTES && statements < TRANSACTION_STATEMENTS;
	}

	get summary(): RestoreSummary {
		const { bytes } = this.#options.survey;
		return { mode: this.#atomic ? 'atomic' : 'batches', statements: this.#done, bytes };
	}

	async load(source: SqlSource): Promise<void> {
		await this.#steps.begin();
		const { hoisted } = this.#options.survey;
		const first = new Set(hoisted.map(({ number }) => number));
		for (const statement of hoisted) await this.#add(statement, readHead(statement.sql));
		for await (const statements of readStatements(source)) {
			for (const statement of statements) {
				if (!first.has(statement.number)) await this.#add(statement, readHead(statement.sql));
			}
			this.#report(statements.at(-1)?.end ?? 0);
		}
		if (this.#options.rehearsal) await this.#steps.flush();
		else await this.#steps.finish();
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
