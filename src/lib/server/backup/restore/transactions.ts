import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { isTooMuch, reasonOf, retrying, type SqlDatabase } from '../database.ts';
import { messageOf } from '../../errors.ts';
import { MAX_QUERIES } from '../limits.ts';
import type { Claim } from './claim.ts';

/**
 * Bytes of SQL of one transaction. D1 documents no limit for a batch, but a Worker has 128 MB of
 * memory, which holds the text several times.
 */
export const TRANSACTION_BYTES = 4_000_000;
/** Statements of one transaction: the rest is for what the restore itself adds and reads. */
export const TRANSACTION_STATEMENTS = MAX_QUERIES.paid - 100;

/** A statement to run, and where it is in the file. */
export interface PlacedStatement {
	sql: string;
	/** The table whose rows it has; null for all other statements. */
	table: string | null;
	/** Its number in the file, the bytes before it, and the bytes up to its end. */
	number: number;
	start: number;
	end: number;
}

/**
 * Rows may come before those that they refer to, and are restored even if they break a CHECK, as
 * they did in the database. D1 keeps the second setting, so each transaction turns it off again.
 */
const BEFORE = ['PRAGMA defer_foreign_keys=ON', 'PRAGMA ignore_check_constraints=ON'];
const AFTER = ['PRAGMA ignore_check_constraints=OFF'];

/** Fails with a message of its own, which rolls back a transaction that was only a trial. */
const OVERFLOW = 'SELECT abs(-9223372036854775807 - 1)';
const OVERFLOW_MESSAGE = 'integer overflow';

/**
 * Runs a restore in several transactions, each exactly once. The answer to one that was committed
 * may be lost, so each writes its number into the marker of the restore's claim.
 */
export class Transactions {
	readonly #database: SqlDatabase;
	readonly #sleep: Sleep;
	readonly #claim: Claim;
	#count = 0;
	#waiting: PlacedStatement[] = [];
	#waitingBytes = 0;

	constructor(database: SqlDatabase, sleep: Sleep, claim: Claim) {
		this.#database = database;
		this.#sleep = sleep;
		this.#claim = claim;
	}

	/** Adds a statement, and runs what is waiting once it is enough for a transaction. */
	async add(statement: PlacedStatement): Promise<void> {
		this.#waiting.push(statement);
		this.#waitingBytes += statement.end - statement.start;
		const full =
			this.#waitingBytes >= TRANSACTION_BYTES || this.#waiting.length >= TRANSACTION_STATEMENTS;
		if (full) await this.flush();
	}

	/** Runs what is waiting. Throws what {@link run} throws. */
	async flush(): Promise<void> {
		const statements = this.#waiting;
		this.#waiting = [];
		this.#waitingBytes = 0;
		await this.run(statements);
	}

	/**
	 * Runs the statements as one transaction, or as several if that is too much for the database.
	 * Throws `restore_refused` (422) with the place of the statement that the database refuses, and
	 * `restore_disturbed` (409) if something else has changed the database.
	 */
	async run(statements: PlacedStatement[]): Promise<void> {
		if (statements.length === 0) return;
		const number = ++this.#count;
		const transaction = [
			this.#claim.advance(number),
			...statements.map(({ sql }) => sql),
			...this.#claim.record(),
		];
		try {
			await this.#once(transaction, () => this.#claim.isAt(number));
		} catch (error) {
			if (!isTooMuch(error) || statements.length === 1) {
				throw await this.#refused(statements, error);
			}
			const half = statements.length >> 1;
			await this.run(statements.slice(0, half));
			await this.run(statements.slice(half));
		}
	}

	/** Runs what is waiting and then `more` as the last transaction, which also drops the marker. */
	async finish(more: PlacedStatement[] = []): Promise<void> {
		const statements = [...this.#waiting, ...more];
		const transaction = [
			this.#claim.advance(++this.#count),
			...statements.map(({ sql }) => sql),
			this.#claim.end(),
		];
		try {
			await this.#once(transaction, () => this.#claim.isEnded());
		} catch (error) {
			if (!this.#claim.lost(error) && (await this.#claim.isEnded())) return;
			throw await this.#refused(statements, error);
		}
	}

	async #once(transaction: string[], isDone: () => Promise<boolean>): Promise<void> {
		let tried = false;
		await retrying(async () => {
			if (tried && (await isDone())) return;
			tried = true;
			await this.#database.batch([...BEFORE, ...transaction, ...AFTER]);
		}, this.#sleep);
	}

	async #refused(statements: PlacedStatement[], cause: unknown): Promise<LifeboatError> {
		if (cause instanceof LifeboatError) return cause;
		const lost = this.#claim.lost(cause);
		if (lost) return lost;
		const place = placeOf(await this.#locate(statements));
		return new LifeboatError(`${place} was refused by the database: ${reason(cause)}.`, {
			code: 'restore_refused',
			status: 422,
			hint: 'Use another backup, or correct the file at this place.',
			cause,
		});
	}

	/** The first statement that fails, by binary search with transactions that are rolled back. */
	async #locate(statements: PlacedStatement[]): Promise<PlacedStatement | undefined> {
		let [passed, failed] = [0, statements.length + 1];
		while (failed - passed > 1) {
			const middle = (passed + failed) >> 1;
			const tried = statements.slice(0, middle).map(({ sql }) => sql);
			const outcome = await this.#database.batch([...BEFORE, ...tried, OVERFLOW]).then(
				() => '',
				(error: unknown) => messageOf(error),
			);
			if (outcome.includes(OVERFLOW_MESSAGE) && middle <= statements.length) passed = middle;
			else failed = middle;
		}
		return statements[failed - 1];
	}
}

function placeOf(statement: PlacedStatement | undefined): string {
	if (!statement) return 'The end of a transaction, where foreign keys are checked,';
	const { number, start, table } = statement;
	const suffix = table === null ? '' : ` (table ${JSON.stringify(table)})`;
	return `Statement ${number}, at byte ${start}${suffix}`;
}

function reason(error: unknown): string {
	return reasonOf(error).replace(
		/^internal error.*$/s,
		'a foreign key refers to a row that does not exist',
	);
}
