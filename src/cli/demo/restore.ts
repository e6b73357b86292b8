import { STATE } from '../embedded/state.ts';
import { run } from '../terminal/run.ts';
import { count } from '../terminal/text.ts';
import { compareDatabases, type Comparison } from './compare.ts';
import { openDatabase } from './database.ts';
import type { Steps } from './steps.ts';

/** Restores a file into a database in the folder `copy`, and compares that with the app's. */
export async function restore(
	steps: Steps,
	file: string,
	copy: string,
	signal: AbortSignal,
): Promise<Comparison> {
	await steps.take(
		'restore',
		'wrangler d1 execute DB --local --file FILE',
		() => {
			const target = ['d1', 'execute', 'DB', '--local', '--persist-to', copy];
			return run('wrangler', [...target, '--file', file, '--yes'], { signal });
		},
		() => 'into another database',
	);
	return steps.take(
		'compare',
		'every row, definition and search',
		async () => {
			await using before = await openDatabase(STATE);
			await using after = await openDatabase(copy);
			return await compareDatabases(before.database, after.database);
		},
		({ tables, rows, searches, differences }) =>
			differences.length > 0
				? 'different: see below'
				: `${tables} tables, ${count(rows)} rows, ${searches} searches: same`,
	);
}
