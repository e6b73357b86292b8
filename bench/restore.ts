import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dumpTo, fingerprint, seed } from './data.ts';
import { measure, type Usage } from './processes.ts';
import { median } from './numbers.ts';

const ROUNDS = 3;
/** Above this Cloudflare's own command takes minutes, and as many times the memory. */
const MAX_COMPARED_MB = 100;

/** A way to restore a file into the embedded database in a folder. */
interface Contender {
	name: string;
	command(file: string, folder: string): [string, string[]];
}

const OURS: Contender = {
	name: 'npm run restore',
	command: (file, folder) => [
		'npm',
		['run', '--silent', 'restore', '--', file, '--to', `local:${folder}`],
	],
};
const CLOUDFLARES: Contender = {
	name: 'wrangler d1 execute --local --file',
	command: (file, folder) => [
		'wrangler',
		['d1', 'execute', 'DB', '--local', '--persist-to', folder, '--yes', '--file', file],
	],
};

export interface RestoreResult {
	'SQL MB': string;
	restore: string;
	'seconds, median': string;
	'MB/s': string;
	'times as fast': string;
	'peak RSS, MB': string;
}

/**
 * Restores the same file into new embedded databases, with our command and with Cloudflare's in
 * turn, each as a whole process, and compares what came of it.
 */
export async function benchRestore(megabytes: number): Promise<RestoreResult[]> {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-bench-'));
	try {
		const file = join(folder, 'backup.sql');
		await seed(join(folder, 'seed'), megabytes);
		await dumpTo(file, join(folder, 'seed'));
		const expected = await fingerprint(join(folder, 'seed'));
		const contenders = megabytes > MAX_COMPARED_MB ? [OURS] : [OURS, CLOUDFLARES];
		const usages = new Map<Contender, Usage[]>(contenders.map((contender) => [contender, []]));
		for (let round = 1; round <= ROUNDS; round++) {
			for (const [contender, found] of usages) {
				const target = join(folder, 'target');
				found.push(await measure(...contender.command(file, target)));
				const actual = await fingerprint(target);
				if (actual !== expected) throw new Error(`${contender.name}: ${actual}, not ${expected}`);
				rmSync(target, { recursive: true });
			}
		}
		return rows(statSync(file).size / 1e6, usages);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

function rows(megabytes: number, usages: Map<Contender, Usage[]>): RestoreResult[] {
	const secondsOf = (found: Usage[]) => median(found.map(({ seconds }) => seconds));
	const slowest = Math.max(...[...usages.values()].map(secondsOf));
	return [...usages].map(([{ name }, found]) => ({
		'SQL MB': megabytes.toFixed(1),
		restore: name,
		'seconds, median': secondsOf(found).toFixed(2),
		'MB/s': (megabytes / secondsOf(found)).toFixed(1),
		'times as fast': usages.size === 1 ? '' : (slowest / secondsOf(found)).toFixed(2),
		'peak RSS, MB': ['node', 'workerd']
			.map((program) => `${program} ${median(found.map((use) => use.peakMemory[program] ?? 0))}`)
			.join(', '),
	}));
}
