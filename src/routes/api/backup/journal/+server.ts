import * as v from 'valibot';
import { apiRoute } from '$lib/server/http/route';
import { readQuery } from '$lib/server/http/input';
import { journalStart } from '$lib/server/operations/index';
import { JournalCursor, readJournal } from '$lib/server/operations/audit-log';

const Page = v.object({
	before: v.optional(JournalCursor),
	limit: v.optional(
		v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1), v.maxValue(500)),
		'50',
	),
});

/** What was done and refused, newest first. */
export const GET = apiRoute('journal', async (call) => {
	await call.admit();
	const page = readQuery(call.url, Page);
	const operations = call.operations();
	return Response.json(
		await readJournal(operations.journal, { ...page, since: journalStart(operations) }),
	);
});
