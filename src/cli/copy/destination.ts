import type { StoredRange } from '../../lib/server/backup/storage/bucket.ts';

/** Where copies are kept: files by name. Nothing in it is ever changed or removed. */
export interface Destination {
	/** How messages name it. */
	readonly title: string;
	/** Makes it ready, and returns a private folder for files that are not complete yet. */
	prepare(): string;
	/** The files that are there, each with its bytes. */
	sizes(): Promise<Map<string, number>>;
	/** Reads a file that is there, or a range of it, which is empty if the file is shorter. */
	read(name: string, range?: StoredRange): Promise<AsyncIterable<Uint8Array>>;
	/**
	 * Stores a complete file, whose SHA-256 is given in hexadecimal. Returns false if there is one of
	 * this name already, which stays as it is.
	 */
	store(name: string, path: string, sha256: string): Promise<boolean>;
}
