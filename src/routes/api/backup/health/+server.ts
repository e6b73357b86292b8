import { readHealth } from '$lib/server/operations/health';
import { operationsOf } from '$lib/server/operations/index';
import { errorResponse } from '$lib/server/http/respond';
import type { RequestHandler } from './$types';

/**
 * Whether there is a backup that is young enough and proven: 200, else 503. Anybody may ask, so it is not
 * written down: that would load the bucket.
 */
export const GET: RequestHandler = async ({ platform, url }) => {
	try {
		const reading = readHealth(operationsOf(platform?.env, url));
		// Others wait for the same look at the bucket: it goes on when this caller has gone away.
		platform?.ctx?.waitUntil(reading.catch(() => {}));
		const health = await reading;
		return Response.json(health, { status: health.healthy ? 200 : 503 });
	} catch (error) {
		return errorResponse(error);
	}
};
