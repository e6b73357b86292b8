import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { LifeboatError } from '../../lib/server/errors.ts';

/** A file that is to have another text. */
export interface Edit {
	/** As people read it, relative to the app's folder. */
	name: string;
	path: string;
	/** Null for a new file. */
	before: string | null;
	after: string;
}

/** The edit of a file; none if its text stays. */
export function editOf(
	name: string,
	path: string,
	change: (text: string | null) => string | null,
): Edit[] {
	const before = readText(path);
	const after = change(before);
	return after === null || after === before ? [] : [{ name, path, before, after }];
}

/** The unified diff of an edit, line by line, with its tabs as spaces for the terminal. */
export function diffLines({ name, before, after }: Edit): string[] {
	const old = before === null ? '/dev/null' : `a/${name}`;
	const patch = createTwoFilesPatch(old, `b/${name}`, before ?? '', after, '', '', {
		context: 3,
		headerOptions: FILE_HEADERS_ONLY,
	});
	return patch
		.trimEnd()
		.split(/\r?\n/)
		.map((line) => line.replaceAll('\t', '    '));
}

/**
 * Writes all of the edits, or none. Throws `file_changed` (409) if a file is no longer what the edit was made
 * for, and the error of a write that failed, once the files before it have their text back.
 */
export function writeAll(edits: readonly Edit[]): void {
	for (const { name, path, before } of edits) {
		if (readText(path) !== before) throw changed(name);
	}
	const done: Edit[] = [];
	try {
		for (const edit of edits) {
			mkdirSync(dirname(edit.path), { recursive: true });
			done.push(edit);
			writeFileSync(edit.path, edit.after);
		}
	} catch (error) {
		for (const { path, before } of done) {
			if (before === null) rmSync(path, { force: true });
			else writeFileSync(path, before);
		}
		throw error;
	}
}

/** The text of a file, or null if there is none. */
export function readText(path: string): string | null {
	return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

function changed(name: string): LifeboatError {
	return new LifeboatError(`${name} has changed in the meantime.`, {
		code: 'file_changed',
		status: 409,
		hint: 'Run this again. Nothing was changed.',
	});
}
