import type { BackupFiles } from '../../src/lib/server/backup/prove/files.ts';
import { DatabaseSync } from 'node:sqlite';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { SLICE_SIZES } from '../../src/lib/server/backup/dump/bounds.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import type { BackupStep, Budget } from '../../src/lib/server/backup/engine.ts';
import type { Manifest } from '../../src/lib/server/backup/format/manifest.ts';
import type { BackupKey } from '../../src/lib/server/backup/format/signature.ts';
import type { Encoding } from '../../src/lib/server/backup/storage/codec.ts';
import { type Gate, SimulatedBucket } from './bucket.ts';
import { contentsOf, MARK, SimulatedDatabase, TABLES } from './database.ts';
import type { Code, Engine } from './engine.ts';
import { Worker } from './worker.ts';

const START = Date.UTC(2026, 10, 25);
/** Longer than the life of a lock, a ticket or a tombstone, in milliseconds. */
const LONG_AFTER = 48 * 3_600_000;
/** No Worker lives longer: after that, a tombstone may go (storage/leftovers.ts). */
const WORKER_LIFE_MS = 24 * 3_600_000;
/** A budget so small that every step reads one table. */
const SMALL = { ...UNLIMITED, queries: 1 };

export const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);

/** The setting of a history. */
export interface Setting {
	/** Whether a lock rule protects backups. */
	locked: boolean;
	/** The number of apps that share the bucket, each with its own database and secret. */
	apps: 1 | 2;
	encrypted: boolean;
	/** Whether its databases are in use, so that backups are staged. */
	inUse: boolean;
}

/** Something that must never happen, and has. */
export class Violation extends Error {}

/** An app that backs up its database. */
export interface App {
	database: SimulatedDatabase;
	key: BackupKey;
	/** Every ticket that it ever issued. */
	tickets: string[];
	/** The ticket of the unfinished backup; null if the caller would start over. */
	next: string | null;
}

/** Makes each call at once. */
const passing: Gate = async (call) => call();

/** Where a Worker runs. */
interface Place {
	bucket: SimulatedBucket;
	clock: { now: number };
	gate: Gate;
	budget: Budget;
}

/** A bucket, the apps that back up into it, and their Workers. */
export class World {
	now = START;
	readonly bucket: SimulatedBucket;
	readonly apps: App[];
	readonly workers: Worker<BackupStep>[] = [];
	readonly #code: Code;
	readonly #encoding: Encoding;
	readonly #inUse: boolean;
	/** Names of all backups that were ever listed. */
	readonly #known = new Set<string>();
	/** The backups at the last check, and the objects of each when it was found sound. */
	#checked: unknown[] = [];
	readonly #sound = new Map<string, unknown[]>();
	/** The state from which the last future was tried. */
	#origin: unknown[] = [];

	constructor(code: Code, { locked, apps, encrypted, inUse }: Setting) {
		this.#code = code;
		this.#inUse = inUse;
		this.#encoding = { compression: 'off', recipients: encrypted ? [recipient] : [] };
		this.bucket = new SimulatedBucket({ locked });
		this.apps = Array.from({ length: apps }, (_, index) => ({
			database: new SimulatedDatabase(),
			key: code.signature.deriveKey(new TextEncoder().encode(`the secret of app ${index}`)),
			tickets: [],
			next: null,
		}));
	}

	/**
	 * Makes a backup of each database that is in use, so that the ones after it are staged at once.
	 * Throws a {@link Violation} if that is not staged.
	 */
	async begin(): Promise<void> {
		if (!this.#inUse) return;
		for (const app of this.apps) {
			const gate: Gate = async (call) => {
				app.database.write(['a']);
				return call();
			};
			const place = { bucket: this.bucket, clock: this, budget: SMALL, gate };
			const { snapshot } = await this.#undisturbed(app, place);
			if (snapshot.consistency !== 'staged') throw new Violation('A busy database is not staged.');
		}
	}

	/** A call of an app: a new backup, or a step with one of its tickets. */
	async call(app: App, ticket: string | null): Promise<Worker<BackupStep>> {
		const worker = await Worker.start(this.now, async (gate) => {
			const place = { bucket: this.bucket, clock: this, gate, budget: SMALL };
			const engine = this.#engine(app, place);
			const { startBackup, resumeBackup } = this.#code.backups;
			app.next = ticket;
			const step = ticket === null ? await startBackup(engine) : await resumeBackup(engine, ticket);
			app.next = 'resume' in step ? step.resume : null;
			if ('resume' in step) app.tickets.push(step.resume);
			return step;
		});
		this.workers.push(worker);
		return worker;
	}

	/** Lets time pass. Workers that are older than any can be die. */
	wait(milliseconds: number): void {
		this.now += milliseconds;
		for (const worker of this.workers) {
			if (this.now - worker.startedAt > WORKER_LIFE_MS) worker.die();
		}
	}

	/** Throws a {@link Violation} if something is not as it must be. */
	async check(): Promise<void> {
		this.#requireNoRowsOutside();
		const objects = this.#objectsOf('full_backup_');
		if (isSame(objects, this.#checked)) return;
		this.#checked = objects;
		const { backups } = await this.#code.backups.listBackups({
			bucket: this.#open(this.bucket),
			keys: [],
			now: () => this.now,
		});
		const names = backups.map(({ name }) => name);
		for (const name of this.#known) {
			if (!names.includes(name)) throw new Violation(`${name} is no longer listed.`);
		}
		for (const name of names) {
			const files = this.#objectsOf(name);
			if (isSame(files, this.#sound.get(name))) continue;
			await this.#requireSound(this.bucket, name);
			this.#sound.set(name, files);
		}
		names.forEach((name) => this.#known.add(name));
	}

	/**
	 * Checks in a copy of the world that an undisturbed backup of each app succeeds from here. Skipped if
	 * only the time has changed, unless `inSteps`, which takes longer.
	 */
	async requireFuture({ inSteps = false } = {}): Promise<void> {
		const versions = this.apps.map(({ database }) => database.version);
		const origin = [...this.#objectsOf(''), ...versions];
		if (isSame(origin, this.#origin) && !inSteps) return;
		this.#origin = origin;
		const budget = inSteps ? SMALL : UNLIMITED;
		for (const app of this.apps) {
			const bucket = this.bucket.copy();
			const clock = { now: this.now + LONG_AFTER };
			const place = { bucket, clock, budget, gate: passing };
			await app.database.pretending(() => this.#requireLaterBackup(app, place));
		}
	}

	async #requireLaterBackup(app: App, place: Place): Promise<void> {
		const { name } = await this.#undisturbed(app, place).catch((error: unknown) => {
			throw new Violation(`A later backup fails: ${String(error)}`, { cause: error });
		});
		const saved = await this.#requireSound(place.bucket, name);
		const { state, objects } = app.database;
		if (saved !== state) {
			throw new Violation(`The later backup ${name} is of an older state.`);
		}
		if (String(objects) === String(TABLES)) return;
		throw new Violation(`After the later backup ${name} the database has ${String(objects)}.`);
	}

	async #undisturbed(app: App, place: Place): Promise<Manifest> {
		const engine = this.#engine(app, place);
		let step = await this.#code.backups.startBackup(engine);
		while ('resume' in step) step = await this.#code.backups.resumeBackup(engine, step.resume);
		return step.manifest;
	}

	#engine(app: App, { bucket, clock, gate, budget }: Place): Engine {
		const now = () => clock.now++;
		const { key } = app;
		return {
			database: app.database.binding(gate),
			name: 'main',
			bucket: bucket.binding(gate, now),
			encoding: this.#encoding,
			signer: key,
			keys: [key],
			budget,
			fullDays: 7,
			sliceSizes: SLICE_SIZES,
			stageMaxBytes: this.#inUse ? 100_000_000 : 0,
			warnings: [],
			now,
			sleep: (milliseconds) => gate(() => void (clock.now += Math.ceil(milliseconds))),
		};
	}

	#open(bucket: SimulatedBucket) {
		return bucket.binding(passing, () => this.now);
	}

	/** Checks that a listed backup verifies and holds a state that a database had. Returns that state. */
	async #requireSound(bucket: SimulatedBucket, name: string): Promise<string> {
		const keys = this.apps.map(({ key }) => key);
		const reader = this.#open(bucket);
		const { readManifest, readParentOf, readVolume } = this.#code.manifests;
		try {
			const opened = await readManifest(reader, `${name}.manifest.json`, keys);
			const files: BackupFiles = {
				...opened,
				parent: await readParentOf(reader, opened.manifest, keys),
				identities: [identity],
				open: (key, range) => readVolume(reader, key, range),
			};
			const { differences } = await this.#code.verification.verifyFiles(files);
			if (differences.length > 0) throw new Error(differences.join(' '));
			const chunks = await Array.fromAsync(this.#code.files.sqlOf(files).open());
			const sql = Buffer.concat(chunks).toString();
			const state = contentsOf(restored(sql));
			if (this.apps.some(({ database }) => database.states.has(state))) return state;
		} catch (error) {
			throw new Violation(`${name} does not verify: ${String(error)}`, { cause: error });
		}
		throw new Violation(`${name} is a state that no database had.`);
	}

	/** Checks that rows are stored only in the volumes of unencrypted backups. */
	#requireNoRowsOutside(): void {
		for (const [key, { bytes }] of this.bucket.objects) {
			const isPlain = key.endsWith('.sql') || key.endsWith('.manifest.json');
			if (isPlain || !holdsRows(Buffer.from(bytes).toString('latin1'))) continue;
			throw new Violation(`${key} holds rows.`);
		}
	}

	/** Keys with this prefix, each followed by its object, whose identity changes with every write. */
	#objectsOf(prefix: string): unknown[] {
		return [...this.bucket.objects].filter(([key]) => key.startsWith(prefix)).flat();
	}
}

function isSame(one: unknown[], other: unknown[] | undefined): boolean {
	return one.length === other?.length && one.every((part, index) => part === other[index]);
}

/** Whether a text contains rows of the app, including in Base64 JSON within JSON. */
function holdsRows(text: string): boolean {
	if (text.includes(MARK)) return true;
	const encoded = text.match(/[\w+/-]{40,}/g) ?? [];
	return encoded.some((part) => {
		const inner = Buffer.from(part, 'base64url').toString('latin1');
		return inner.includes(MARK) || (inner.startsWith('{') && holdsRows(inner));
	});
}

function restored(sql: string): DatabaseSync {
	const sqlite = new DatabaseSync(':memory:');
	sqlite.exec(sql);
	return sqlite;
}
