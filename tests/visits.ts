import { env } from 'cloudflare:workers';
import { ADDRESS, SECRET } from './calls.ts';
import { TOTP } from '../src/lib/totp.js';
import type { Visit } from '../src/lib/server/dashboard/visit.ts';
import type { Environment } from '../src/lib/server/environment.ts';

// Visits to the dashboard of somebody who was let in.

const ORIGIN = 'https://app.example';

/** A visit with the test bindings, overridden by `changes`, and the end of what goes on behind it. */
export function visitTo(path = '/backups', changes: Environment = {}, now = Date.now()) {
	const { DB, MY_BUCKET, DRILL_DB } = env;
	const work: Promise<unknown>[] = [];
	const url = new URL(path, ORIGIN);
	const visit: Visit = {
		...{ request: new Request(url), url, address: ADDRESS, now },
		env: { DB, MY_BUCKET, DRILL_DB, TOTP_SECRET: SECRET, ...changes },
		keepAlive: (promise) => void work.push(promise),
		person: { account: '1815', name: 'Ada', since: now },
	};
	return { visit, settled: () => Promise.all(work) };
}

/** A form with these fields and a code in its long form, which works once after each reset. */
export async function typedForm(fields: Record<string, string> = {}): Promise<FormData> {
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	const form = new FormData();
	for (const [name, value] of Object.entries({ code, ...fields })) {
		form.set(name, value);
	}
	return form;
}
