import type { Mutation } from './mutation.ts';

const BACKUP = 'src/lib/server/backup';
const BUDGET = `${BACKUP}/make/budget.test.ts`;

/** Faults in what a call may use. */
export const budget: Mutation[] = [
	{
		title: 'a page that is read ahead is not counted',
		file: `${BACKUP}/make/dump-step.ts`,
		right: 'database.bytesRead + MAX_VALUE_BYTES > budget.bytes',
		wrong: 'database.bytesRead >= budget.bytes',
		tests: [BUDGET],
	},
	{
		title: 'the calls of D1 are not counted',
		file: `${BACKUP}/metered.ts`,
		right: 'used.calls++;\n\t\tconst answer',
		wrong: 'const answer',
		tests: [BUDGET],
	},
	{
		title: 'only the rows of one call are counted',
		file: `${BACKUP}/make/call.ts`,
		right: 'cost.rowsRead + database.rowsRead + more',
		wrong: 'database.rowsRead + more',
		tests: [BUDGET],
	},
	{
		title: 'a ticket may expire during the pause',
		file: `${BACKUP}/make/job.ts`,
		right: 'now() + budget.pause + TICKET_MS',
		wrong: 'now() + TICKET_MS',
		tests: [BUDGET],
	},
];
