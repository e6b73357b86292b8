import { LifeboatError } from '../../errors.ts';
import {
	isTooMuch,
	messageOf,
	retrying,
	type SqlDatabase,
	type SqlStatement,
} from '../database.ts';
import { type Sleep } from '../../retry.ts';
import { MAX_QUERIES_PER_CALL } from '../limits.ts';
import type { Claim } from './claim.ts';

/**
 * Bytes of SQL of one transaction. D1 documents no limit for a batch; a Worker has 128 MB, and the
 * text is in it a few times over.
 */
export const TRANSACTION_BYTES = 4_000_000;
/** Statements of one transaction: the rest is for what the restore itself adds and reads. */
export const TRANSACTION_STATEMENTS = MAX_QUERIES_PER_CALL - 100;

/** A statement to run, and where in the file it stands. */
export interface Step {
	statement: SqlStatement;
	table: string | null;
	/** Its number in the file, the bytes before it, and those up to its end. */
	number: number;
	start: number;
	end: number;
}

/**
 * Rows may come before those that they point at, and come back even where they break a constraint:
 * they were there. The second setting stays until it is changed, so it is, in each transaction.
 */
const BEFORE = ['PRAGMA defer_foreign_keys=ON', 'PRAGMA ignore_check_constraints=ON'];
const AFTER = ['PRAGMA ignore_check_constraints=OFF'];

/** Fails when it runs, with a message of its own; so a transaction can be tried and taken back. */
const OVERFLOW = 'SELECT abs(-9223372036854775807 - 1)';
const OVERFLOW_MESSAGE = 'integer overflow';

/**
 * Runs a restore in several transactions, each exactly once: the answer to one that was done may be
 * lost on its way, so each leaves its number in the marker of the restore's claim.
 */
export class Steps {
	readonly #database: SqlDatabase;
	readonly #sleep: Sleep;
	readonly #claim: Claim;
	#count = 0;
	#waiting: Step[] = [];
	#waitingBytes = 0;

	constructor(database: SqlDatabase, sleep: Sleep, claim: Claim) {
		this.#database = database;
		this.#sleep = sleep;
		this.#claim = claim;
	}

	/** Takes a step in, and runs what is waiting when that is enough for a transaction. */
	async add(step: Step): Promise<void> {
		this.#waiting.push(step);
		this.#waitingBytes += step.end - step.start;
		const full =
			this.#waitingBytes >= TRANSACTION_BYTES || this.#waiting.length >= TRANSACTION_STATEMENTS;
		if (full) await this.flush();
	}

	/** Runs what is waiting. Throws what {@link run} throws. */
	async flush(): Promise<void> {
		const steps = this.#waiting;
		this.#waiting = [];
		this.#waitingBytes = 0;
		await this.run(steps);
	}

	/**
	 * Runs the steps as one transaction, or in several where that is too much for the database.
	 * Throws `restore_refused` (422) with the place of the statement that the database refuses, and
	 * `restore_disturbed` (409) where something else has changed the database.
	 */
	async run(steps: Step[]): Promise<void> {
		if (steps.length === 0) return;
		const number = ++this.#count;
		const statements = [
			this.#claim.advance(number),
			...steps.map(({ statement }) => statement),
			...this.#claim.record(),
		];
		try {
			await this.#once(statements, () => this.#claim.isAt(number));
		} catch (error) {
			if (!isTooMuch(error) || steps.length === 1) throw await this.#refused(steps, error);
			const half = steps.length >> 1;
			await this.run(steps.slice(0, half));
			await this.run(steps.slice(half));
		}
	}

	/** Runs the steps, behind what is waiting, as the last transaction, and the marker goes with it. */
	async finish(more: Step[] = []): Promise<void> {
		const steps = [...this.#waiting, ...more];
		const statements = [
			this.#claim.advance(++this.#count),
			...steps.map(({ statement }) => statement),
			this.#claim.end(),
		];
		try {
			await this.#once(statements, () => this.#claim.isEnded());
		} catch (error) {
			if (!this.#claim.lost(error) && (await this.#claim.isEnded())) return;
			throw await this.#refused(steps, error);
		}
	}

	async #once(statements: SqlStatement[], isDone: () => Promise<boolean>): Promise<void> {
		let tried = false;
		await retrying(async () => {
			if (tried && (await isDone())) return;
			tried = true;
			await this.#database.batch([...BEFORE, ...statements, ...AFTER]);
		}, this.#sleep);
	}

	async #refused(steps: Step[], cause: unknown): Promise<LifeboatError> {
		if (cause instanceof LifeboatError) return cause;
		const lost = this.#claim.lost(cause);
		if (lost) return lost;
		const step = await this.#locate(steps);
		const place = step
			? `Statement ${step.number}, at byte ${step.start}${step.table === null ? '' : ` (table ${JSON.stringify(step.table)})`}`
			: 'The end of a transaction, where foreign keys are checked,';
		return new LifeboatError(`${place} was refused by the database: ${reason(cause)}.`, {
			code: 'restore_refused',
			status: 422,
			hint: 'Take another backup, or mend the file at this place.',
			cause,
		});
	}

	/** The first step that fails: tried in transactions that are taken back, half by half. */
	async #locate(steps: Step[]): Promise<Step | undefined> {
		let [passed, failed] = [0, steps.length + 1];
		while (failed - passed > 1) {
			const middle = (passed + failed) >> 1;
			const tried = steps.slice(0, middle).map(({ statement }) => statement);
			const outcome = await this.#database.batch([...BEFORE, ...tried, OVERFLOW]).then(
				() => '',
				(error: unknown) => messageOf(error),
			);
			if (outcome.includes(OVERFLOW_MESSAGE) && middle <= steps.length) passed = middle;
			else failed = middle;
		}
		return steps[failed - 1];
	}
}

/** SQLite's own words, which name tables and columns but hold no values. */
function reason(error: unknown): string {
	return messageOf(error)
		.replace(/^D1_ERROR: /, '')
		.replace(/: SQLITE_\w+.*$/s, '')
		.replace(/^internal error.*$/s, 'a foreign key points at a row that is not there');
}
