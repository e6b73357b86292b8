import { readHealth } from '$lib/server/operations/health';
import { operationsOf } from '$lib/server/operations/index';
import { errorResponse } from '$lib/server/http/respond';
import type { RequestHandler } from './$types';

/**
 * 200 if the newest backup and the newest proven one are young enough, else 503. Anybody may call, so
 * calls are not recorded: that would load the bucket.
 */
export const GET: RequestHandler = async ({ platform, url }) => {
	try {
		const reading = readHealth(operationsOf(platform?.env, url));
		// Other callers wait for the same reading, so it must finish even if this one disconnects.
		platform?.ctx?.waitUntil(reading.catch(() => {}));
		const health = await reading;
		return Response.json(health, { status: health.healthy ? 200 : 503 });
	} catch (error) {
		return errorResponse(error);
	}
};
