import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** Replaces the file at once: a reader sees the old text or the new one, never a part. */
export function writeSecretFile(path: string, text: string): void {
	const temporary = `${path}.${process.pid}.tmp`;
	try {
		writeFileSync(temporary, text, { mode: MODE, flag: 'wx' });
		renameSync(temporary, path);
	} finally {
		rmSync(temporary, { force: true });
	}
}
