import { beforeEach, expect, test } from 'vitest';
import { API, authorized, call, makeBackup } from '../../../../../tests/calls.ts';
import { reset } from '../../../../../tests/reset.ts';
import { GET as getFile } from './file.ts';
import { GET as getHealth } from './health.ts';
import { GET as getJournal } from './audit-log.ts';
import { GET, POST } from './backups.ts';

// The API inside another app, which has none of this app's hooks.

beforeEach(reset);

const answers: Record<string, () => Promise<Response>> = {
	'a backup': async () => call(POST, await authorized({ method: 'POST' })),
	'a backup with its progress': async () => {
		const headers = { Accept: 'application/x-ndjson' };
		return call(POST, await authorized({ method: 'POST', headers }));
	},
	'a list': async () => call(GET, await authorized()),
	'a file': async () => {
		const { files } = await makeBackup();
		return call(getFile, await authorized({}, `${API}/${files[0]}`));
	},
	'the audit log': async () => call(getJournal, await authorized()),
	'the health': () => call(getHealth, new Request(`${API}/health`)),
	'a refusal': () => call(GET, new Request(API)),
	'a refusal of the health': () => call(getHealth, new Request('https://old.example/')),
	'a failure': async () => call(POST, await authorized({ method: 'POST' }), { BACKUP_PLAN: 'x' }),
};

test.for(Object.entries(answers))('%s is neither kept nor guessed at', async ([, ask]) => {
	const response = await ask();
	const headers = Object.fromEntries(response.headers);
	await response.body?.cancel();
	expect(headers).toMatchObject({
		'cache-control': 'private, no-store',
		'x-content-type-options': 'nosniff',
		'x-frame-options': 'DENY',
		'content-security-policy': expect.stringContaining("default-src 'none'"),
	});
	// That is for the other app to decide.
	expect(headers).not.toHaveProperty('strict-transport-security');
});
