import { env } from 'cloudflare:workers';

/** The statements that `wrangler d1 execute --local --file` makes of a file. */
export async function splitLikeWrangler(sql: string): Promise<string[]> {
	const response = await env.WITNESS.fetch('http://witness/split', { method: 'POST', body: sql });
	return response.json();
}

/** Restores a file into the database COPY as wrangler does: split by wrangler, in one batch. */
export async function restoreIntoCopy(sql: string): Promise<void> {
	const statements = await splitLikeWrangler(sql);
	await env.COPY.batch(statements.map((statement) => env.COPY.prepare(statement)));
}
