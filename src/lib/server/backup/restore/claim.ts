import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { retrying, type SqlDatabase } from '../database.ts';
import { messageOf } from '../../errors.ts';
import { quoteName, quoteText, RESTORE_MARKER } from '../sql.ts';
import { type Existing, requireFree, restoreRunning } from './claimable.ts';
import {
	clearDatabase,
	type Contents,
	type Marker,
	MARKER_DEFINITION,
	readContents,
	SCHEMA,
} from './contents.ts';

/**
 * The right to restore into a database, which one restore holds at a time: a table in the database,
 * the marker, which is created first and dropped last. Each transaction of the restore begins with
 * {@link advance} and ends with {@link record}, and fails if the marker is no longer this restore's
 * or something else has changed the schema. So a restore removes only what it has created itself.
 */
export class Claim {
	readonly #id = crypto.randomUUID();
	readonly #database: SqlDatabase;
	readonly #sleep: Sleep;
	readonly #existing: Existing;

	private constructor(database: SqlDatabase, sleep: Sleep, existing: Existing) {
		this.#database = database;
		this.#sleep = sleep;
		this.#existing = existing;
	}

	/**
	 * Claims a database, and removes from it what has to be removed. If several restores try at once,
	 * one of them succeeds.
	 *
	 * Throws what {@link requireFree} throws, in which case nothing was changed, and what the
	 * database throws.
	 */
	static async take(database: SqlDatabase, sleep: Sleep, existing: Existing): Promise<Claim> {
		const claim = new Claim(database, sleep, existing);
		const contents = await readContents(database, sleep);
		requireFree(contents, existing);
		await claim.#take(contents);
		if (existing === 'stay' || contents.objects.length === 0) return claim;
		try {
			await clearDatabase(database, sleep, { before: [claim.#renewal(`step`)] });
		} catch (error) {
			await claim.leave().catch(noteLeftover);
			throw error;
		}
		return claim;
	}

	/** The prefix of all tables that the restore creates for its own use, except the marker. */
	get prefix(): string {
		return prefixOf(this.#id);
	}

	/** The first statement of the restore's transaction with this number. */
	advance(number: number): string {
		const unchanged = this.#existing === 'stay' ? 'TRUE' : `schema = ${SCHEMA}`;
		return this.#renewal(`iif(${unchanged}, ${number}, NULL)`);
	}

	/** The last statements of every transaction except the last one. */
	record(): string[] {
		if (this.#existing === 'stay') return [];
		return [`UPDATE ${RESTORE_MARKER} SET schema = ${SCHEMA}`];
	}

	/** Whether the transaction with this number was the last to be committed. */
	async isAt(number: number): Promise<boolean> {
		const { results } = await this.#database.batch([
			`SELECT count(*) AS n FROM ${RESTORE_MARKER} WHERE restore = ${quoteText(this.#id)} AND step = ${number}`,
		]);
		return results[0]?.results[0]?.['n'] === 1;
	}

	/** Shows others that the restore is still alive. */
	async renew(): Promise<void> {
		await this.#database.batch([this.#renewal('step')]);
	}

	/** The last statement of the last transaction. */
	end(): string {
		return `DROP TABLE ${RESTORE_MARKER}`;
	}

	/** Whether the last transaction was committed. */
	async isEnded(): Promise<boolean> {
		const { marker } = await readContents(this.#database, this.#sleep);
		return marker === null;
	}

	/** Removes the marker and the restore's own tables. Throws `restore_disturbed` (409). */
	async leave(): Promise<void> {
		const { objects } = await readContents(this.#database, this.#sleep);
		const statements = [this.#renewal('step'), ...drops(objects, this.#id), this.end()];
		await this.#unlessDone(
			() => retrying(() => this.#database.batch(statements), this.#sleep),
			({ marker }) => marker === null,
		);
	}

	/**
	 * Removes everything that the restore has created. Throws `restore_disturbed` (409); then all
	 * stays.
	 */
	async clear(): Promise<void> {
		if (this.#existing === 'stay') return this.leave();
		const edges = { before: [this.advance(0)], after: [this.end()] };
		await this.#unlessDone(
			() => clearDatabase(this.#database, this.#sleep, edges),
			({ marker, objects }) => marker === null && objects.length === 0,
		);
	}

	/** `restore_disturbed` (409) if the error means that the claim is lost, else null. */
	lost(error: unknown): LifeboatError | null {
		return isOfMarker(error) ? disturbed(error) : null;
	}

	/** Runs `work`, and ignores its error if it was done anyway: the answer may have been lost. */
	async #unlessDone(
		work: () => Promise<unknown>,
		isDone: (contents: Contents) => boolean,
	): Promise<void> {
		try {
			await work();
		} catch (error) {
			if (isDone(await readContents(this.#database, this.#sleep))) return;
			throw this.lost(error) ?? error;
		}
	}

	/**
	 * Fails unless the marker is this restore's: SQLite refuses a NULL in `step`, and names the
	 * marker.
	 */
	#renewal(step: string): string {
		return `UPDATE ${RESTORE_MARKER} SET step = iif(restore = ${quoteText(this.#id)}, ${step}, NULL), at = unixepoch()`;
	}

	async #take({ marker, objects }: Contents): Promise<void> {
		const statements = marker ? this.#takeOver(marker, objects) : this.#make();
		try {
			await retrying(() => this.#database.batch(statements), this.#sleep);
		} catch (error) {
			const now = await readContents(this.#database, this.#sleep);
			const ours = now.marker?.id === this.#id;
			if (ours && isOfMarker(error)) return; // done, but the answer was lost and the retry failed
			if (ours) await this.leave().catch(noteLeftover);
			else requireFree(now, this.#existing);
			throw isOfMarker(error) ? restoreRunning() : error; // another restore was here and has gone
		}
	}

	#make(): string[] {
		const mayHaveObjects = this.#existing === 'stay' || this.#existing === 'replace';
		const step = mayHaveObjects ? '0' : `iif(${SCHEMA} = '', 0, NULL)`;
		return [
			MARKER_DEFINITION,
			`INSERT INTO ${RESTORE_MARKER} VALUES (${quoteText(this.#id)}, ${step}, unixepoch(), '')`,
		];
	}

	/** Takes the marker of a killed restore, unless another restore was faster. */
	#takeOver({ id }: Marker, objects: Contents['objects']): string[] {
		const conditions: Record<Existing, string> = {
			refuse: `${SCHEMA} = ''`,
			leftover: `schema = ${SCHEMA}`,
			replace: 'TRUE',
			stay: 'TRUE',
		};
		const step = `iif(restore = ${quoteText(id)} AND ${conditions[this.#existing]}, 0, NULL)`;
		return [
			`UPDATE ${RESTORE_MARKER} SET step = ${step}, restore = ${quoteText(this.#id)}, at = unixepoch(), schema = ''`,
			...drops(objects, id),
		];
	}
}

/** Logs that a restore could not remove what it has created. */
export function noteLeftover(reason: unknown): void {
	console.error(`Parts of this restore are still there, and so is ${RESTORE_MARKER}:`, reason);
}

function prefixOf(id: string): string {
	return `lifeboat_stage_${id}_`;
}

/** Drops the tables that a restore has created for its own use. */
function drops(objects: Contents['objects'], id: string): string[] {
	return objects
		.filter(({ type, name }) => type === 'table' && name.startsWith(prefixOf(id)))
		.map(({ name }) => `DROP TABLE ${quoteName(name)}`);
}

/**
 * No file may write to a table of this name, so an error that mentions it comes from the marker.
 */
function isOfMarker(error: unknown): boolean {
	return messageOf(error).includes(RESTORE_MARKER);
}

function disturbed(cause: unknown): LifeboatError {
	return new LifeboatError('Something else changed the database during the restore.', {
		code: 'restore_disturbed',
		status: 409,
		hint: 'The restore has stopped. See what is in the database, then restore again while nothing else uses it.',
		cause,
	});
}
