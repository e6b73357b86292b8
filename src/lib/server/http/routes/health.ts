import { openRoute } from '../route.ts';
import { readHealth } from '../../operations/health.ts';
import { operationsOf } from '../../operations/index.ts';

/** 200 if the newest backup and the newest proven one are young enough, else 503. */
export const GET = openRoute(async ({ platform, url }) => {
	const reading = readHealth(operationsOf(platform?.env, url));
	// Other callers wait for the same reading, so it must finish even if this one disconnects.
	platform?.ctx?.waitUntil(reading.catch(() => {}));
	const health = await reading;
	return Response.json(health, { status: health.healthy ? 200 : 503 });
});
