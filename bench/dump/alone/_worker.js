import { startBackup } from '../../../src/lib/server/backup/index.ts';
import { UNLIMITED } from '../../../src/lib/server/backup/make/budget.ts';
import { engineOf } from '../../../src/lib/server/backup/settings.ts';
import { countingBucket } from '../counting-bucket.js';

/** Runs the app's engine with the app's settings and the counting bucket. Responds with the manifest. */
export default {
	/**
	 * @param {Request} request
	 * @param {import('../../../src/lib/server/environment.ts').Environment} env
	 */
	async fetch(request, env) {
		if (request.method !== 'POST') return new Response('ready');
		const bucket = countingBucket();
		const engine = engineOf({ ...env, MY_BUCKET: bucket });
		const step = await startBackup({ ...engine, budget: UNLIMITED });
		return Response.json(step);
	},
};
