import * as v from 'valibot';
import { checkBucket } from '../../backup/keep/check/index.ts';
import { engineOf } from '../../backup/settings.ts';
import { placeOf } from '../../environment.ts';
import { readQuery } from '../input.ts';
import { apiRoute } from '../route.ts';

/** Bytes of a key of R2 (R2 > Platform > Limits). */
const MAX_KEY = 1_024;

const Page = v.object({ cursor: v.optional(v.pipe(v.string(), v.maxBytes(MAX_KEY))) });

/** Tells what the objects in a database's part of the bucket are, page by page. */
export const GET = apiRoute('check', async (call) => {
	await call.admit();
	const { cursor } = readQuery(call.url, Page);
	const { database, databases, prefix } = placeOf(call.env);
	// The parts of the other databases lie within that of the first one.
	const names = prefix === '' ? databases.filter((name) => name !== database) : [];
	const others = names.map((name) => `${name}/`);
	const page = await checkBucket(engineOf(call.env), { cursor, others });
	return Response.json({ ...page, database, databases });
});
