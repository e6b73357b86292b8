import * as v from 'valibot';
import { apiRoute } from '$lib/server/call';
import { backupSettings } from '$lib/server/config';
import { readQuery } from '$lib/server/input';
import { JournalCursor, readJournal } from '$lib/server/operations/journal';

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
	const { bucket } = backupSettings(call.env);
	const page = readQuery(call.url, Page);
	return Response.json(await readJournal(call.env?.MY_LOGS_BUCKET ?? bucket, page));
});
