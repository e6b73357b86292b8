import {
	chmodSync,
	closeSync,
	existsSync,
	fsyncSync,
	linkSync,
	openSync,
	readdirSync,
	realpathSync,
	renameSync,
	rmSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkDatabase } from '../../lib/server/backup/prove/check.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { timeForNames } from './keep.ts';
import { endingFor, identityOption, keptRecipients, writeKept } from './kept.ts';
import { isRunning } from '../terminal/command.ts';
import { shellWord } from '../terminal/text.ts';
import { Guard } from '../embedded/guard.ts';
import { countRows, namesIn, restoreDatabase, restoreRows, lookInto } from './d1.ts';
import {
	busy,
	isBusy,
	openToRead,
	SqliteDatabase,
	writeHeader,
} from '../embedded/sqlite-database.ts';
import type { Kept, Look, Plan, Target } from './target.ts';

/** Files of a database that was not closed (SQLite: Temporary Files). */
const SIDE_FILES = ['-wal', '-shm', '-journal'];
/** A database holds personal data: only the owner reads and writes. */
const MODE = 0o600;
/** How long another program may hold the file. */
const BUSY_TIMEOUT_MS = 2_000;

/** What stands for the contents of a file that is no database. */
const UNREADABLE = 'something that SQLite cannot read';

/** A plain SQLite file. A restore builds a new file in the same folder, and renames it when it is complete. */
export class SqliteFile implements Target {
	readonly name: string;
	readonly title: string;
	readonly kind = 'file';
	readonly #path: string;
	/** The existing file, locked; null if there is none or SQLite cannot read it. */
	#held: DatabaseSync | null = null;
	#unreadable = false;
	/** For whom the existing file is encrypted when it is kept. */
	#recipients: string[] = [];

	constructor(path: string) {
		this.name = basename(path);
		this.title = path;
		this.#path = existsSync(path) ? realpathSync(path) : resolve(path);
	}

	/** Throws `target_busy` (409) if another program uses the file. */
	async contents(): Promise<string[]> {
		removeAbandoned(this.#path);
		if (!existsSync(this.#path)) return [];
		try {
			this.#held = openLocked(this.#path);
			return await namesIn(new SqliteDatabase(this.#held));
		} catch (error) {
			if (isBusy(error)) throw busy(this.title);
			if (error instanceof LifeboatError) throw error;
			this.#unreadable = true;
			this.#held = null;
			return [UNREADABLE];
		}
	}

	async look(): Promise<Look> {
		if (!existsSync(this.#path)) return { names: [], tables: [] };
		try {
			using connection = openToRead(this.#path);
			return await lookInto(new SqliteDatabase(connection));
		} catch (error) {
			if (error instanceof LifeboatError || isBusy(error)) throw error;
			return { names: [UNREADABLE], tables: [] };
		}
	}

	/** Only chooses a name: the old file is kept at the moment when the new one replaces it. */
	async keep(): Promise<Kept> {
		this.#recipients = keptRecipients();
		const file = `${this.#path}.before-${timeForNames()}${endingFor(this.#recipients)}`;
		return { file, undo: this.#undo(file) };
	}

	async restore(plan: Plan): Promise<void> {
		const building = workingCopyOf(this.#path);
		const remove = () => rmSync(building, { force: true });
		process.once('exit', remove);
		await using opened = new AsyncDisposableStack();
		try {
			await this.#build(building, plan);
			sync(building);
			if (plan.kept !== null) await this.#setAside(plan.kept.file, opened);
			if (this.#held || this.#unreadable) renameSync(building, this.#path);
			else this.#place(building);
			if (plan.kept !== null) chmodSync(plan.kept.file, MODE); // as a link it had the old file's mode
			sync(dirname(this.#path));
		} finally {
			remove();
			process.off('exit', remove);
		}
		this.#held?.close();
	}

	async recover(): Promise<string> {
		return this.#held || this.#unreadable ? 'The file is as it was.' : 'There is no such file.';
	}

	async count(tables: string[]): Promise<number[]> {
		const connection = new DatabaseSync(this.#path, { readOnly: true });
		return countRows(new SqliteDatabase(connection), tables);
	}

	async #build(path: string, plan: Plan): Promise<void> {
		closeSync(openSync(path, 'wx', MODE));
		if (plan.tables !== null && this.#held) await backup(this.#held, path);
		using connection = new DatabaseSync(path, {
			// A file of another tool may have rows that refer to nothing, and must be restored as it was.
			enableForeignKeyConstraints: plan.tables !== null,
			enableDoubleQuotedStringLiterals: true, // as in the sqlite3 program
		});
		// After a crash this file is worthless: it is synced once it is complete.
		connection.exec('PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF');
		new Guard(connection);
		const database = new SqliteDatabase(connection);
		const { tables } = plan;
		if (tables === null) await restoreDatabase(database, { ...plan, kept: null });
		else await restoreRows(database, { ...plan, tables }, { within: true });
		const core = tables === null ? plan.survey.core : null;
		const problems = await checkDatabase(database, core, sleep);
		const broken = problems.find((problem) => /^(quick|integrity)[_-]check: /.test(problem));
		if (broken !== undefined) throw notSound(broken);
		if (tables === null && plan.header) writeHeader(connection, plan.header);
	}

	/** Never overwrites: there was no file, so one that appeared meanwhile belongs to someone else. */
	#place(building: string): void {
		try {
			linkSync(building, this.#path);
		} catch (error) {
			if (existsSync(this.#path)) throw appeared(this.title, error);
			renameSync(building, this.#path); // not every file system has links
		}
	}

	#undo(file: string): string {
		const [from, to] = [shellWord(file), shellWord(this.#path)];
		if (this.#recipients.length === 0) return `mv ${from} ${to}`;
		if (this.#unreadable) return `age -d -i FILE -o ${to} ${from}`;
		return `npm run restore -- ${from} --to ${shellWord(this.title)} --replace${identityOption(file)}`;
	}

	/** Keeps the existing file under another name, complete before anything replaces it. */
	async #setAside(file: string, opened: AsyncDisposableStack): Promise<void> {
		const ending = endingFor(this.#recipients);
		const base = file.slice(0, file.length - ending.length);
		const sides = SIDE_FILES.filter(
			(suffix) => this.#unreadable && existsSync(this.#path + suffix),
		);
		for (const suffix of sides) {
			await this.#copy(this.#path + suffix, base + suffix + ending, opened);
		}
		if (ending !== '' || !isLinked(this.#path, file)) await this.#copy(this.#path, file, opened);
		for (const suffix of sides) rmSync(this.#path + suffix);
	}

	/**
	 * Copies a file, encrypted if there are recipients. It stays `opened`, because closing it would release
	 * SQLite's locks on it (SQLite: How To Corrupt An SQLite Database File, 2.2).
	 */
	async #copy(from: string, to: string, opened: AsyncDisposableStack): Promise<void> {
		const source = opened.use(await open(from));
		await writeKept(to, source.createReadStream({ autoClose: false }), this.#recipients);
	}
}

/** The file in which a restore by this process builds a new database. */
export function workingCopyOf(path: string): string {
	return `${path}.restoring-${process.pid}`;
}

/** Gives a file a second name. False if the file system has no links. */
function isLinked(path: string, other: string): boolean {
	try {
		linkSync(path, other);
		return true;
	} catch {
		return false;
	}
}

/** Opens the file for this process alone, and moves its write-ahead log into it. */
function openLocked(path: string): DatabaseSync {
	const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
	connection.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
	connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
	return connection;
}

/** Removes the files of restores that were killed. */
function removeAbandoned(path: string): void {
	const folder = dirname(path);
	if (!existsSync(folder)) return;
	const prefix = `${basename(path)}.restoring-`;
	for (const name of readdirSync(folder)) {
		if (name.startsWith(prefix) && !isRunning(Number(name.slice(prefix.length)))) {
			rmSync(join(folder, name));
		}
	}
}

/** Waits until a file, or the entries of a folder, are on the disk. */
function sync(path: string): void {
	const descriptor = openSync(path, 'r');
	fsyncSync(descriptor);
	closeSync(descriptor);
}

function appeared(path: string, cause: unknown): LifeboatError {
	return new LifeboatError(`${path} appeared during the restore. It was not changed.`, {
		code: 'target_not_empty',
		status: 409,
		hint: 'Restore to another file, or replace this one with --replace.',
		cause,
	});
}

function notSound(problem: string): LifeboatError {
	return new LifeboatError(`The restored file is corrupt: ${problem}.`, {
		code: 'restore_not_sound',
		status: 500,
		hint: 'Restore to another disk, or with `sqlite3 restored.db < FILE`.',
	});
}
