import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Engine } from '../engine.ts';
import { addToRuns, printSlice, type Run, type Slice } from '../format/slices.ts';
import { type BackupKey, sliceDigest } from '../format/signature.ts';
import { type Encode, encoderOf, namesOf } from '../storage/codec.ts';
import { type StoredVolume, VolumeWriter } from '../storage/volume.ts';
import type { Job } from './job.ts';
import type { Base } from './parent.ts';

/** The share of a full backup that a differential may store before a full one is the better choice. */
const MOST_NEW = 0.5;

/** What a slice has: rows of the table at this place in the manifest, or other statements. */
type Ended = Pick<Slice, 'table' | 'rows'> & { chunks: Uint8Array[] };

/**
 * Stores the slices of one step as a volume. A slice whose SQL the parent has too is not stored, and
 * neither compressed nor encrypted: the backup refers to the parent's.
 */
export class SliceWriter {
	/** The backup's own slices as its manifest has them, and the order of all: those of earlier steps and of this one. */
	readonly slices: string[];
	readonly runs: Run[];
	/** Bytes of SQL so far, unchanged slices included. */
	sqlBytes: number;
	readonly #volume: VolumeWriter;
	readonly #encode: Encode;
	readonly #digestKey: BackupKey | null;
	readonly #base: Base | null;
	/** Slices that have ended and are not stored yet, and the one that goes on. */
	#ended: Ended[] = [];
	#chunks: Uint8Array[];
	/** Stored bytes of the backup's own slices. */
	#newBytes: number;

	/** Continues a job; `number` is that of the volume, and was never used before. */
	constructor(engine: Engine, job: Job, number: number, base: Base | null) {
		const { encoding } = job;
		this.slices = [...job.slices];
		this.runs = job.runs.map((run) => ({ ...run }));
		this.sqlBytes = job.sqlBytes;
		this.#volume = new VolumeWriter(engine, job.name, number, namesOf(encoding));
		this.#encode = encoderOf(encoding);
		this.#digestKey = encoding.recipients.length > 0 ? engine.signer : null;
		this.#base = base;
		this.#chunks = job.openSlice === '' ? [] : [Buffer.from(job.openSlice)];
		this.#newBytes = job.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
	}

	/** Takes SQL. Throws `storage_error` (500). */
	async write(sql: Uint8Array): Promise<void> {
		await this.#storeEnded();
		if (sql.length > 0) this.#chunks.push(sql);
	}

	/** Ends a slice with the SQL that was taken last; without any since the last end, there is none. */
	end({ table, rows }: Pick<Slice, 'table' | 'rows'>): void {
		if (this.#chunks.length > 0) this.#ended.push({ table, rows, chunks: this.#chunks });
		this.#chunks = [];
	}

	/** Whether so much is new that a full backup is the better choice. */
	get isMostlyNew(): boolean {
		return this.#base !== null && this.#newBytes > MOST_NEW * this.#base.bytes;
	}

	/** The SQL of the slice that has not ended. */
	get openSlice(): string {
		return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(this.#chunks));
	}

	/** Stores the volume; null if there is nothing to store. Throws what {@link VolumeWriter.finish} throws. */
	async finish(): Promise<StoredVolume | null> {
		await this.#storeEnded();
		return this.#volume.sqlBytes > 0 ? this.#volume.finish() : null;
	}

	/** Removes what this step has stored. Never throws. */
	abort(): Promise<void> {
		return this.#volume.abort();
	}

	async #storeEnded(): Promise<void> {
		for (const ended of this.#ended.splice(0)) await this.#store(ended);
	}

	async #store({ table, rows, chunks }: Ended): Promise<void> {
		const sql = Buffer.concat(chunks);
		this.sqlBytes += sql.length;
		const content = sliceDigest(sha256Of(sql), this.#digestKey);
		const unchanged = this.#base?.numbers.get(content);
		if (unchanged !== undefined) return addToRuns(this.runs, 'parent', unchanged);
		const bytes = await this.#encode(sql);
		await this.#volume.write(bytes, sql.length);
		this.#newBytes += bytes.length;
		const sizes = { sqlBytes: sql.length, bytes: bytes.length };
		this.slices.push(printSlice({ table, rows, ...sizes, sha256: sha256Of(bytes), content }));
		addToRuns(this.runs, 'own', this.slices.length);
	}
}

function sha256Of(bytes: Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex');
}
