import { beforeEach, expect, test } from 'vitest';
import { outside, post } from '../../../../../tests/proof-calls.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	API,
	authorized,
	backupObjects,
	call,
	expectError,
	makeBackup,
	untouchable,
} from '../../../../../tests/calls.ts';
import { POST } from './file.ts';

beforeEach(reset);

test.for([
	['no body', 400, ''],
	['no JSON', 400, '{'],
	['no object', 400, '[]'],
	['no action', 400, {}],
	['another action', 400, { action: 'backup' }],
	['a restore', 400, { action: 'restore' }],
	['several actions', 400, { action: ['verify'] }],
	['an additional field for verify', 400, { action: 'verify', deep: true }],
	['an additional field for drill', 400, { action: 'drill', database: 'DB' }],
	['a proof with the wrong action', 400, { action: 'verify', proof: outside }],
	['no proof', 400, { action: 'proof' }],
	['a proof without times', 400, { action: 'proof', proof: { ...outside, finishedAt: undefined } }],
	[
		'a proof that ends before it starts',
		400,
		{ action: 'proof', proof: { ...outside, finishedAt: '2026-01-01T00:00:00.000Z' } },
	],
	[
		'a proof that contradicts itself',
		400,
		{ action: 'proof', proof: { ...outside, differences: ['x'] } },
	],
	['a proof of another backup', 400, { action: 'proof', proof: { ...outside, backup: 'x' } }],
	['a proof in the name of the app', 400, { action: 'proof', proof: { ...outside, by: 'worker' } }],
	['too much', 413, { action: 'proof', proof: { ...outside, by: 'x'.repeat(60_000) } }],
] as const)('POST with %s is refused and changes nothing', async ([, status, body]) => {
	const { files } = await makeBackup();
	const before = await backupObjects();
	const code = status === 413 ? 'body_too_large' : 'body_invalid';
	await expectError(await post(files[0] ?? '', body), status, code);
	expect(await backupObjects()).toEqual(before);
});

test('POST of a form is refused and changes nothing', async () => {
	const { files } = await makeBackup();
	const before = await backupObjects();
	const body = new URLSearchParams({ action: 'verify' });
	const request = await authorized({ method: 'POST', body }, `${API}/${files[0]}`);
	await expectError(await call(POST, request), 415, 'content_type_unsupported');
	expect(await backupObjects()).toEqual(before);
});

test('POST with a wrong code changes nothing', async () => {
	const { files } = await makeBackup();
	const before = await backupObjects();
	for (const body of [
		{ action: 'verify' },
		{ action: 'drill' },
		{ action: 'proof', proof: outside },
	]) {
		const request = await authorized(
			{ method: 'POST', body: JSON.stringify(body) },
			`${API}/${files[0]}`,
		);
		request.headers.set('Authorization', 'Bearer 12345');
		const response = await call(POST, request, { DB: untouchable(), DRILL_DB: untouchable() });
		await expectError(response, 401, 'code_invalid');
	}
	expect(await backupObjects()).toEqual(before);
});
