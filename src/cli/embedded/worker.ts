import type { D1Database } from '@cloudflare/workers-types';
import { d1 } from '../../lib/server/backup/database.ts';
import { messageOf } from '../../lib/server/errors.ts';
import { parseStatements } from './body.ts';

interface Bindings {
	DB: D1Database;
	/** What a caller must send: every program and web page on the machine can reach the port. */
	TOKEN: string;
}

/** Runs inside workerd, next to the database: each request is one batch. */
export default {
	async fetch(request: Request, { DB, TOKEN }: Bindings): Promise<Response> {
		if (request.headers.get('Authorization') !== `Bearer ${TOKEN}`) {
			return new Response('Unauthorized', { status: 401 });
		}
		try {
			return Response.json(await d1(DB).batch(parseStatements(await request.text())));
		} catch (error) {
			return new Response(messageOf(error), { status: 500 });
		}
	},
};
