import { LifeboatError } from '../../errors.ts';
import { messageOf, retrying, type SqlDatabase, type SqlStatement } from '../database.ts';
import { RESTORE_MARKER, foldCase, quoteName, quoteText } from '../sql.ts';
import { type Sleep } from '../../retry.ts';
import {
	clearDatabase,
	type Contents,
	MARKER_DEFINITION,
	type Marker,
	readContents,
	SCHEMA,
} from './contents.ts';

/**
 * What a restore does with what it finds in the database. `refuse`: it needs an empty one. `replace`:
 * all of it has been kept elsewhere, and goes. `leftover`: it needs an empty one too, but what a
 * killed restore has left goes, where that is all there is. `stay`: the restore works beside it.
 */
export type Existing = 'refuse' | 'replace' | 'leftover' | 'stay';

/**
 * Seconds after which a restore that has not written to the database counts as dead. Each of its
 * transactions renews the marker, and D1 ends a query after 30 seconds (Platform > Limits).
 */
const LEASE_SECONDS = 60;

/**
 * The right to restore into a database, of which one restore has it at a time: a table in the
 * database, the marker, made first and dropped last. Each transaction of the restore begins with
 * {@link advance} and ends with {@link record}, and fails where the marker is no longer this one's
 * or something else has changed the schema. So a restore removes nothing but what it has made itself.
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
	 * Claims a database, and removes from it what has to go. Of several at once one wins.
	 *
	 * Throws {@link requireClaimable}'s errors, and then nothing was changed, and what the database throws.
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

	/** How the names of all tables begin that the restore makes for itself beside the marker. */
	get prefix(): string {
		return prefixOf(this.#id);
	}

	/** The first statement of the restore's transaction with that number. */
	advance(number: number): SqlStatement {
		const unchanged = this.#existing === 'stay' ? 'TRUE' : `schema = ${SCHEMA}`;
		return this.#renewal(`iif(${unchanged}, ${number}, NULL)`);
	}

	/** The last statements of a transaction that others follow. */
	record(): SqlStatement[] {
		if (this.#existing === 'stay') return [];
		return [`UPDATE ${RESTORE_MARKER} SET schema = ${SCHEMA}`];
	}

	/** Whether the transaction with that number was done. */
	async isAt(number: number): Promise<boolean> {
		const { results } = await this.#database.batch([
			`SELECT count(*) AS n FROM ${RESTORE_MARKER} WHERE restore = ${quoteText(this.#id)} AND step = ${number}`,
		]);
		return results[0]?.results[0]?.['n'] === 1;
	}

	/** Says that the restore is still at work. */
	async renew(): Promise<void> {
		await this.#database.batch([this.#renewal('step')]);
	}

	/** The last statement of the last transaction. */
	end(): SqlStatement {
		return `DROP TABLE ${RESTORE_MARKER}`;
	}

	/** Whether the last transaction was done. */
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

	/** Removes all that the restore has made. Throws `restore_disturbed` (409), and then it all stays. */
	async clear(): Promise<void> {
		if (this.#existing === 'stay') return this.leave();
		const edges = { before: [this.advance(0)], after: [this.end()] };
		await this.#unlessDone(
			() => clearDatabase(this.#database, this.#sleep, edges),
			({ marker, objects }) => marker === null && objects.length === 0,
		);
	}

	/** `restore_disturbed` (409) for an error that says that the claim is lost, else null. */
	lost(error: unknown): LifeboatError | null {
		return isOfMarker(error) ? disturbed(error) : null;
	}

	/** Does a piece of work, of which the answer may be lost. */
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

	/** Fails unless the marker is this one's: a NULL in `step` is refused, with the marker's name. */
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
			if (ours && isOfMarker(error)) return; // its answer was lost, and it was tried again
			if (ours) await this.leave().catch(noteLeftover);
			else requireFree(now, this.#existing);
			throw isOfMarker(error) ? running() : error; // another has come and gone
		}
	}

	#make(): SqlStatement[] {
		const beside = this.#existing === 'stay' || this.#existing === 'replace';
		const step = beside ? '0' : `iif(${SCHEMA} = '', 0, NULL)`;
		return [
			MARKER_DEFINITION,
			`INSERT INTO ${RESTORE_MARKER} VALUES (${quoteText(this.#id)}, ${step}, unixepoch(), '')`,
		];
	}

	/** From a restore that is dead, as long as nobody else has taken over. */
	#takeOver({ id }: Marker, objects: Contents['objects']): SqlStatement[] {
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

/**
 * Refuses a database that a restore must not touch.
 *
 * Throws `restore_running` (409) while another restore is at work there, `target_not_empty` (409),
 * `name_taken` (409) where something else has the marker's name, and what the database throws.
 */
export async function requireClaimable(
	database: SqlDatabase,
	sleep: Sleep,
	existing: Existing,
): Promise<void> {
	requireFree(await readContents(database, sleep), existing);
}

/** Throws `restore_running` (409) while a restore is at work in a database with such contents. */
export function requireNotRunning({ marker }: Contents): void {
	if (marker && Math.abs(marker.age) < LEASE_SECONDS) throw running();
}

function requireFree(contents: Contents, existing: Existing): void {
	requireNotRunning(contents);
	const { objects, marker } = contents;
	if (existing === 'replace' || existing === 'stay') {
		const taken = objects.find(({ name }) => foldCase(name) === RESTORE_MARKER);
		if (taken) throw nameTaken(taken.type);
		return;
	}
	const isLeftover = existing === 'leftover' && marker?.explains === true;
	if (objects.length > 0 && !isLeftover) throw notEmpty();
}

/** Says in the log that a claim could not be given up. */
export function noteLeftover(reason: unknown): void {
	console.error(`What this restore has left is still there, with ${RESTORE_MARKER}:`, reason);
}

function prefixOf(id: string): string {
	return `lifeboat_stage_${id}_`;
}

/** Removes the tables that a restore has made for itself. */
function drops(objects: Contents['objects'], id: string): SqlStatement[] {
	return objects
		.filter(({ type, name }) => type === 'table' && name.startsWith(prefixOf(id)))
		.map(({ name }) => `DROP TABLE ${quoteName(name)}`);
}

/** No file writes to a table of this name, so an error that names it comes from the marker. */
function isOfMarker(error: unknown): boolean {
	return messageOf(error).includes(RESTORE_MARKER);
}

function running(): LifeboatError {
	return new LifeboatError('A restore into this database is running. Nothing was changed.', {
		code: 'restore_running',
		status: 409,
		hint: 'Wait for it to end. One that was killed counts as running for a minute: then try again.',
		retryable: true,
		retryAfter: LEASE_SECONDS,
	});
}

function notEmpty(): LifeboatError {
	return new LifeboatError('The database to restore into is not empty. Nothing was changed.', {
		code: 'target_not_empty',
		status: 409,
		hint: 'Restore into a new database, or say that this one is to be replaced.',
	});
}

function nameTaken(type: string): LifeboatError {
	return new LifeboatError(
		`The database has a ${type} with the name ${RESTORE_MARKER}, which a restore needs. Nothing was changed.`,
		{
			code: 'name_taken',
			status: 409,
			hint: 'No backup carries what has this name. Rename it, or restore into a new database.',
		},
	);
}

function disturbed(cause: unknown): LifeboatError {
	return new LifeboatError('Something else has changed the database during the restore.', {
		code: 'restore_disturbed',
		status: 409,
		hint: 'Nothing more was changed. Look at what is there, then restore again when nobody else uses the database.',
		cause,
	});
}
