import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { BackupApi } from '../client/api.ts';
import type { KeyOptions } from '../secrets/keys.ts';
import type { Context } from '../terminal/command.ts';
import { DetailedError } from '../terminal/errors.ts';
import type { Destination } from './destination.ts';

/** What copies are made with. */
export interface Copying {
	api: BackupApi;
	destination: Destination;
	/** The bytes of each file that the destination has. */
	sizes: Map<string, number>;
	/** A private folder for files that are not complete or not verified yet. */
	staging: string;
	keys: KeyOptions;
	/** Whether files that are there are read and compared, not only measured. */
	check: boolean;
	context: Context;
}

/**
 * Stores a file, whose SHA-256 is given in hexadecimal. Throws `copy_differs` (409) if another run has
 * stored other bytes under its name meanwhile, and what the destination throws.
 */
export async function storeFile(
	name: string,
	{ path, bytes, sha256 }: { path: string; bytes: number; sha256: string },
	{ destination, sizes }: Copying,
): Promise<void> {
	const isStored = await destination.store(name, path, sha256);
	if (!isStored && (await sha256Of(await destination.read(name))) !== sha256) {
		throw copyDiffers(destination, [`${name} was stored meanwhile, with other bytes.`]);
	}
	sizes.set(name, bytes);
}

/** Stores a text as a file. Throws what {@link storeFile} throws. */
export async function storeText(name: string, text: string, copying: Copying): Promise<void> {
	const path = join(copying.staging, name);
	await writeFile(path, text);
	const sha256 = createHash('sha256').update(text).digest('hex');
	await storeFile(name, { path, bytes: Buffer.byteLength(text), sha256 }, copying);
	rmSync(path, { force: true });
}

/** The text of a file at the destination. */
export async function readText(destination: Destination, name: string): Promise<string> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of await destination.read(name)) chunks.push(chunk);
	return Buffer.concat(chunks).toString();
}

/** In hexadecimal. */
export async function sha256Of(bytes: AsyncIterable<Uint8Array>): Promise<string> {
	const hash = createHash('sha256');
	for await (const chunk of bytes) hash.update(chunk);
	return hash.digest('hex');
}

/** `copy_differs` (409), with a sentence for each file. */
export function copyDiffers({ title }: Destination, details: string[]): DetailedError {
	const error = new LifeboatError(`A file in ${title} is not what it should be, and was left.`, {
		code: 'copy_differs',
		status: 409,
		hint: 'Find out who changed it. Then move it away: the next run fetches it again.',
	});
	return new DetailedError(error, details);
}
