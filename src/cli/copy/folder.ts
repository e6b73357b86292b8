import {
	closeSync,
	existsSync,
	fsyncSync,
	linkSync,
	mkdirSync,
	openSync,
	renameSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredRange } from '../../lib/server/backup/storage/bucket.ts';
import { readFile, sizeOf } from '../sources/disk.ts';
import { temporaryFolder } from '../terminal/command.ts';
import type { Destination } from './destination.ts';

/** A backup holds personal data: only the owner has access. */
const FOLDER_MODE = 0o700;

/** A folder on this machine, or one that it has mounted. */
export class FolderDestination implements Destination {
	readonly title: string;
	readonly #signal: AbortSignal;

	constructor(path: string, signal: AbortSignal) {
		this.title = path;
		this.#signal = signal;
	}

	/** The private folder is inside, so that a complete file only gets another name. */
	prepare(): string {
		mkdirSync(this.title, { recursive: true, mode: FOLDER_MODE });
		return temporaryFolder(this.title);
	}

	async sizes(): Promise<Map<string, number>> {
		const sizes = new Map<string, number>();
		for (const name of await readdir(this.title)) {
			sizes.set(name, (await sizeOf(join(this.title, name))) ?? 0);
		}
		return sizes;
	}

	async read(name: string, range?: StoredRange): Promise<AsyncIterable<Uint8Array>> {
		const bytes = await readFile(join(this.title, name), this.#signal, range);
		if (bytes === null) throw new Error(`${join(this.title, name)} has disappeared.`);
		return bytes;
	}

	/** On the disk when this returns, so that no manifest is there before its volumes. */
	store(name: string, path: string): Promise<boolean> {
		const target = join(this.title, name);
		sync(path);
		try {
			linkSync(path, target);
		} catch {
			if (existsSync(target)) return Promise.resolve(false);
			renameSync(path, target); // not every file system has links
		}
		sync(this.title);
		return Promise.resolve(true);
	}
}

function sync(path: string): void {
	const file = openSync(path, 'r');
	try {
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}
