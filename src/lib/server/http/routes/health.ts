import { environmentOf, placeOf } from '../../environment.ts';
import { readAppHealth } from '../../operations/app-health.ts';
import { readHealth } from '../../operations/health.ts';
import { operationsOf } from '../../operations/index.ts';
import { openRoute } from '../route.ts';

/**
 * 200 if the newest backup and the newest proven one are young enough, else 503: of the database that
 * the call names, or of all.
 */
export const GET = openRoute(async ({ platform, url }) => {
	const env = platform?.env;
	const { databases } = placeOf(env);
	const operations = operationsOf(env, url);
	const isOne = databases.length === 1 || url.searchParams.has('database');
	const of = (database: string) => operationsOf(environmentOf(env, database), url);
	const reading = isOne ? readHealth(operations) : readAppHealth({ operations, databases, of });
	// Other callers wait for the same reading, so it must finish even if this one disconnects.
	platform?.ctx?.waitUntil(reading.catch(() => {}));
	const health = await reading;
	return Response.json(health, { status: health.healthy ? 200 : 503 });
});
