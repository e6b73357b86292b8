import { startBackup } from '../../../src/lib/server/backup/index.ts';
import { backupEncoding, backupKeys } from '../../../src/lib/server/backup/settings.ts';
import { countingBucket } from '../counting-bucket.js';

/** Runs the app's engine with the app's settings and the counting bucket. Responds with the manifest. */
export default {
	/**
	 * @param {Request} request
	 * @param {import('../../../src/lib/server/environment.ts').Environment} env
	 */
	async fetch(request, env) {
		const { DB: database } = env;
		if (request.method !== 'POST' || !database) return new Response('ready');
		const step = await startBackup({
			database,
			bucket: countingBucket(),
			encoding: backupEncoding(env),
			keys: backupKeys(env),
			now: Date.now,
			sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
		});
		return Response.json(step);
	},
};
