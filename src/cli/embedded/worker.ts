import type { D1Database } from '@cloudflare/workers-types';
import { d1, messageOf } from '../../lib/server/backup/database.ts';
import { parseStatements } from './body.ts';

interface Bindings {
	DB: D1Database;
	/** What a caller has to show: every program and web page of the machine reaches the port. */
	TOKEN: string;
}

/** Runs inside workerd, beside the database, and takes one batch a call. */
export default {
	async fetch(request: Request, { DB, TOKEN }: Bindings): Promise<Response> {
		if (request.headers.get('Authorization') !== `Bearer ${TOKEN}`) {
			return new Response('This is not for you.', { status: 401 });
		}
		try {
			return Response.json(await d1(DB).batch(parseStatements(await request.text())));
		} catch (error) {
			return new Response(messageOf(error), { status: 500 });
		}
	},
};
