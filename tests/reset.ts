import { env } from 'cloudflare:workers';
import { reset as deleteObjects } from 'cloudflare:test';

/**
 * Empties every database and bucket of the tests. The runtime's own reset deletes only those whose
 * object is in memory, which it leaves after 10 seconds without a call: so each is called first.
 */
export async function reset(): Promise<void> {
	const { DB, COPY, DRILL_DB, MY_BUCKET, MY_LOGS_BUCKET } = env;
	await Promise.all([
		...[DB, COPY, DRILL_DB].map((database) => database.prepare('SELECT 1').run()),
		...[MY_BUCKET, MY_LOGS_BUCKET].map((bucket) => bucket.head('any')),
	]);
	await deleteObjects();
}
