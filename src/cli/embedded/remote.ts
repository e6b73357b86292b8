import { once } from 'node:events';
import { programBeside } from '../terminal/run.ts';
import { COMPATIBILITY_DATE } from './local.ts';
import { loadWrangler } from './wrangler.ts';

const WORKER = programBeside(import.meta.url, 'worker');

/**
 * Starts ./worker.ts in workerd on this machine with a database on Cloudflare, by its id. Returns the
 * Worker's address. Throws wrangler's errors, such as that nobody is signed in.
 */
export async function startRemote(id: string, token: string): Promise<URL> {
	const { unstable_startWorker } = loadWrangler();
	const worker = await unstable_startWorker({
		name: 'lifeboat-restore',
		entrypoint: WORKER,
		compatibilityDate: COMPATIBILITY_DATE,
		bindings: {
			DB: { type: 'd1', database_id: id, remote: true },
			TOKEN: { type: 'plain_text', value: token },
		},
		dev: {
			persist: false,
			server: { hostname: '127.0.0.1', port: 0 },
			inspector: false,
			logLevel: 'none',
			watch: false,
			envFiles: [],
		},
	});
	const failed = once(worker.raw, 'error').then(([event]) => {
		throw event.cause ?? event;
	});
	await Promise.race([worker.fetch('http://host'), failed]); // worker.ready does not wait for the database
	return worker.url;
}
