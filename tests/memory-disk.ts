import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

// The databases of the tests need not survive a crash of the machine. So this module, imported before
// all others, puts `os.tmpdir()` of this process, and of those that it starts, into memory.

/** Linux's file system in memory. */
const MEMORY = '/dev/shm';
/** Ten times what the tests use at one time. A container may have as little as 64 MB. */
const ENOUGH_BYTES = 2_000_000_000;

if (!process.env['TMPDIR']?.startsWith(MEMORY) && hasRoom()) {
	const folder = mkdtempSync(join(MEMORY, 'lifeboat-'));
	process.env['TMPDIR'] = folder;
	process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
}

function hasRoom(): boolean {
	if (!existsSync(MEMORY)) return false;
	const { bavail, bsize } = statfsSync(MEMORY);
	return Math.min(bavail * bsize, process.availableMemory() / 2) >= ENOUGH_BYTES;
}
