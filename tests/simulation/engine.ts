import { pathToFileURL } from 'node:url';
import type { Engine } from '../../src/lib/server/backup/engine.ts';

/** The code that a simulation runs: the engine in this tree, or a copy with a fault. */
export interface Code {
	backups: typeof import('../../src/lib/server/backup/index.ts');
	files: typeof import('../../src/lib/server/backup/prove/files.ts');
	verification: typeof import('../../src/lib/server/backup/prove/verify.ts');
	manifests: typeof import('../../src/lib/server/backup/storage/bucket.ts');
	locks: typeof import('../../src/lib/server/backup/storage/lock.ts');
	signature: typeof import('../../src/lib/server/backup/format/signature.ts');
}

export type { Engine };

/** Loads the engine from a folder laid out like `src/lib/server/backup`, given by absolute path. */
export async function loadCode(folder: string): Promise<Code> {
	const load = (file: string) => import(pathToFileURL(`${folder}/${file}`).href);
	const [backups, files, verification, manifests, locks, signature] = await Promise.all([
		load('index.ts'),
		load('prove/files.ts'),
		load('prove/verify.ts'),
		load('storage/bucket.ts'),
		load('storage/lock.ts'),
		load('format/signature.ts'),
	]);
	return { backups, files, verification, manifests, locks, signature } as Code;
}
