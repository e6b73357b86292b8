import { env } from 'cloudflare:workers';
import { createHash } from 'node:crypto';
import { reset } from './reset.ts';
import type { Budget } from '../src/lib/server/backup/engine.ts';
import type { SqlSource } from '../src/lib/server/backup/restore/source.ts';
import type { BackupFiles } from '../src/lib/server/backup/prove/files.ts';
import { withVolumes } from '../src/lib/server/backup/format/slices.ts';
import { createBackup, engine, PAGED } from './backups.ts';
import { apply, type Sql } from './databases/sql.ts';
import { ENCODINGS, type EncodingTitle, identity, key } from './encodings.ts';

/** Does not wait at all. */
export const sleep = async (): Promise<void> => {};

/**
 * Recreates the database DB from statements, makes a signed backup of it in as many steps as the budget
 * requires, and reads it into memory together with the keys that open it.
 */
export async function backupOf(
	statements: readonly Sql[],
	encoding: EncodingTitle = 'plain',
	budget: Budget = PAGED,
): Promise<BackupFiles> {
	await reset();
	await apply(env.DB, statements);
	const manifest = await createBackup(
		engine({ encoding: ENCODINGS[encoding], keys: [key], budget, now: Date.now }),
	);
	return { ...inMemory(manifest, await volumesOf(manifest)), key, identities: [identity] };
}

/** The bytes of a backup's own volumes in the test bucket. */
export async function volumesOf({
	volumes,
}: BackupFiles['manifest']): Promise<Map<string, Uint8Array>> {
	const stored = new Map<string, Uint8Array>();
	for (const volume of volumes) {
		const object = await env.MY_BUCKET.get(volume.key);
		stored.set(volume.key, new Uint8Array((await object?.arrayBuffer()) ?? []));
	}
	return stored;
}

/** A backup whose volumes are these bytes, read in chunks of the given sizes in turn. */
export function inMemory(
	manifest: BackupFiles['manifest'],
	volumes: ReadonlyMap<string, Uint8Array>,
	sizes: number[] = [65_536],
): BackupFiles {
	return {
		manifest,
		async open(key, range) {
			const { offset = 0, length = Infinity } = range ?? {};
			const bytes = volumes.get(key);
			return bytes === undefined ? null : chunksOf(bytes.subarray(offset, offset + length), sizes);
		},
	};
}

/** The manifest, forged to describe these volumes correctly. */
export function described(
	manifest: BackupFiles['manifest'],
	volumes: ReadonlyMap<string, Uint8Array>,
): BackupFiles['manifest'] {
	const stored = [...volumes].map(([key, bytes]) => ({
		key,
		bytes: bytes.length,
		sha256: createHash('sha256').update(bytes).digest('hex'),
		sqlBytes: bytes.length,
		encodings: [],
	}));
	return withVolumes(manifest, stored);
}

/** A file with these bytes, read in chunks of the given sizes in turn. */
export function sourceOf(content: string | Uint8Array, sizes: number[] = [65_536]): SqlSource {
	const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
	return { open: () => chunksOf(bytes, sizes) };
}

/** A file with these statements that has the first and the last line of Lifeboat's. */
export function lifeboatFile(statements: string): SqlSource {
	return sourceOf(`${FIRST_LINE}${statements}\n${LAST_LINE}`);
}

/** The first line of a file of Lifeboat. */
export const FIRST_LINE = '-- Lifeboat full backup of a test\n';
const LAST_LINE = `-- lifeboat {"schema":{"objects":0,"sha256":"${'0'.repeat(64)}"},"tables":{}}\n`;

async function* chunksOf(bytes: Uint8Array, sizes: number[]): AsyncGenerator<Uint8Array> {
	for (let at = 0, turn = 0; at < bytes.length; turn++) {
		const size = sizes[turn % sizes.length] ?? bytes.length;
		yield bytes.subarray(at, at + size);
		at += size;
	}
}

/** All bytes of a source. */
export async function bytesOf(source: SqlSource): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of source.open()) chunks.push(chunk);
	return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}
