import { env } from 'cloudflare:workers';
import { reset as deleteObjects } from 'cloudflare:test';

const { DB, COPY, DRILL_DB, MY_BUCKET, MY_LOGS_BUCKET } = env;

/** How to call the object of each database and bucket. */
const CALLS = new Map<object, () => Promise<unknown>>([
	...[DB, COPY, DRILL_DB].map((one) => [one, () => one.prepare('SELECT 1').run()] as const),
	...[MY_BUCKET, MY_LOGS_BUCKET].map((one) => [one, () => one.head('any')] as const),
]);

/** The methods of a binding after which it may hold something. */
const USES = ['prepare', 'exec', 'batch', 'withSession', 'put', 'createMultipartUpload'];

/** Those that may hold something: at first all, because of earlier test files. */
const used = new Set(CALLS.keys());
for (const binding of CALLS.keys()) noteUses(binding);

/**
 * Empties every database and bucket of the tests. The runtime's own reset only deletes those whose
 * object is in memory, and an object is evicted after 10 idle seconds, so each that was used is called
 * first. To call the others too would take longer than all the rest.
 */
export async function reset(): Promise<void> {
	await Promise.all([...used].map((binding) => CALLS.get(binding)?.()));
	used.clear();
	await deleteObjects();
}

function noteUses(binding: object): void {
	for (const name of USES) {
		const method: unknown = Reflect.get(binding, name);
		if (typeof method !== 'function') continue;
		const noting = (...parameters: unknown[]): unknown => {
			used.add(binding);
			return method.apply(binding, parameters);
		};
		Object.defineProperty(binding, name, { value: noting, configurable: true, writable: true });
	}
}
