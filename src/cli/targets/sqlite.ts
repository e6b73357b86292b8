import {
	closeSync,
	copyFileSync,
	existsSync,
	fsyncSync,
	linkSync,
	openSync,
	readdirSync,
	realpathSync,
	renameSync,
	rmSync,
	statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkDatabase } from '../../lib/server/backup/prove/check.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { timeForNames } from './keep.ts';
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

	async keep(): Promise<Kept> {
		const file = `${this.#path}.before-${timeForNames()}`;
		return { file, undo: `mv ${shellWord(file)} ${shellWord(this.#path)}` };
	}

	async restore(plan: Plan): Promise<void> {
		const building = `${this.#path}.restoring-${process.pid}`;
		const remove = () => rmSync(building, { force: true });
		process.once('exit', remove);
		try {
			await this.#build(building, plan);
			sync(building);
			if (plan.kept !== null) this.#setAside(plan.kept.file);
			if (this.#held || this.#unreadable) renameSync(building, this.#path);
			else this.#place(building);
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
		const mode = existsSync(this.#path) ? statSync(this.#path).mode : MODE;
		closeSync(openSync(path, 'wx', mode));
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

	#setAside(file: string): void {
		for (const suffix of this.#unreadable ? SIDE_FILES : []) {
			if (existsSync(this.#path + suffix)) renameSync(this.#path + suffix, file + suffix);
		}
		try {
			linkSync(this.#path, file);
		} catch {
			copyFileSync(this.#path, file); // not every file system has links
		}
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
