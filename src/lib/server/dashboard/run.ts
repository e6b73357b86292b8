import type { Moment, Run } from '../../components/types.ts';
import { readFacts } from './facts.ts';
import { showExpected, showRun } from './show.ts';
import { type Common, commonOf, type Visit } from './visit.ts';

/** The page on which a backup of one database is made. */
export interface RunPage extends Common {
	/** The backup that is under way; null if there is none. */
	run: Run | null;
	/** What a new backup is likely to have; null if nothing is known. */
	expected: Run['expected'];
	newest: { name: string; startedAt: Moment } | null;
}

/** Reads the page. Throws `storage_error` (500), and what settings throw. */
export async function runPage(visit: Visit): Promise<RunPage> {
	const facts = await readFacts(visit, 'first');
	const { newest } = facts;
	return {
		...commonOf(visit),
		run: showRun(facts),
		expected: showExpected(facts),
		newest: newest ? { name: newest.name, startedAt: newest.startedAt } : null,
	};
}
