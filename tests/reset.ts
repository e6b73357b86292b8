import { env } from 'cloudflare:workers';
import { reset as deleteObjects } from 'cloudflare:test';

/**
 * Empties every database and bucket of the tests. The runtime's own reset only deletes those whose
 * object is in memory, and an object is evicted after 10 idle seconds, so each is called first.
 */
export async function reset(): Promise<void> {
	const { DB, COPY, DRILL_DB, MY_BUCKET, MY_LOGS_BUCKET } = env;
	await Promise.all([
		...[DB, COPY, DRILL_DB].map((database) => database.prepare('SELECT 1').run()),
		...[MY_BUCKET, MY_LOGS_BUCKET].map((bucket) => bucket.head('any')),
	]);
	await deleteObjects();
}
