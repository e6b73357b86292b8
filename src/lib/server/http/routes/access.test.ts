import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { MAX_WRONG } from '../../access/lockout.ts';
import type { Environment } from '../../environment.ts';
import type { Entry } from '../../operations/audit-log.ts';
import { TOTP } from '../../../totp.js';
import {
	API,
	authorized,
	backupObjects,
	call,
	currentCode,
	expectError,
	makeBackup,
	SECRET,
} from '../../../../../tests/calls.ts';
import { GET, POST } from './backups.ts';
import { GET as getFile, POST as postFile } from './file.ts';
import { GET as getJournal } from './audit-log.ts';

const PREVIOUS = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const KEY = 'a-key-of-at-least-thirty-two-characters';

beforeEach(reset);
afterEach(() => vi.useRealTimers());

/** A request with a code from this secret, sent from this address. */
async function request(
	init: RequestInit = {},
	{ url = API, secret = SECRET, address = '192.0.2.1', long = false } = {},
): Promise<Request> {
	const [totp, now] = [new TOTP(secret), Date.now() / 1000];
	const code = await (long ? totp.generateLongCode(now) : totp.generateTOTP(now));
	const asked = new Request(url, init);
	asked.headers.set('Authorization', `Bearer ${code}`);
	asked.headers.set('cf-connecting-ip', address);
	return asked;
}

const guess = (address: string, changes: Partial<Environment> = {}) =>
	call(
		GET,
		new Request(API, { headers: { Authorization: 'Bearer 000000', 'cf-connecting-ip': address } }),
		changes,
	);

async function journal(): Promise<Entry[]> {
	const response = await call(getJournal, await authorized({}, `${API}/journal?limit=500`));
	expect(response.status).toBe(200);
	return ((await response.json()) as { entries: Entry[] }).entries;
}

describe('a code', () => {
	test('starts only one operation, whatever it is', async () => {
		const { files } = await makeBackup();
		const file = { url: `${API}/${files[0]}` };
		const body = JSON.stringify({ action: 'verify' });
		const verify = { method: 'POST', body, headers: { 'Content-Type': 'application/json' } };
		await expectError(await call(POST, await request({ method: 'POST' })), 401, 'code_spent');
		const refused = await call(postFile, await request(verify, file));
		expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
		expect(Number(refused.headers.get('Retry-After'))).toBeLessThanOrEqual(30);
		await expectError(refused, 401, 'code_spent');
		vi.setSystemTime(Date.now() + 30_000);
		expect((await call(postFile, await request(verify, file))).status).toBe(200);
	});

	test('can read any number of times, before and after', async () => {
		for (let i = 0; i < 3; i++) expect((await call(GET, await request())).status).toBe(200);
		const { files } = await makeBackup();
		const asked = await request({}, { url: `${API}/${files[0]}` });
		expect((await call(getFile, asked)).status).toBe(200);
	});

	test('is not spent by a call that starts nothing', async () => {
		const nonsense = { method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' } };
		await expectError(await call(POST, await request(nonsense)), 400, 'body_invalid');
		expect((await call(POST, await request({ method: 'POST' }))).status).toBe(201);
	});

	test('sent in 50 simultaneous calls makes one backup', async () => {
		const requests = await Promise.all(
			Array.from({ length: 50 }, () => request({ method: 'POST' })),
		);
		const answers = await Promise.all(requests.map((asked) => call(POST, asked)));
		const [made, ...others] = answers.sort((a, b) => a.status - b.status);
		expect(made?.status).toBe(201);
		for (const other of others) await expectError(other, 401, 'code_spent');
	});

	test('in its long form is spent by the six digits of its step, and they by it', async () => {
		vi.setSystemTime(Date.now());
		await makeBackup();
		const asked = await request({ method: 'POST' }, { long: true });
		await expectError(await call(POST, asked), 401, 'code_spent');
		vi.setSystemTime(Date.now() + 30_000);
		const next = await request({ method: 'POST' }, { long: true });
		expect((await call(POST, next)).status).toBe(201);
		await expectError(await call(POST, await request({ method: 'POST' })), 401, 'code_spent');
	});

	test.for([false, true])('of the previous secret passes with a warning', async (long) => {
		const changes = { TOTP_SECRET_PREVIOUS: PREVIOUS };
		const old = await call(GET, await request({}, { secret: PREVIOUS, long }), changes);
		expect(old.status).toBe(200);
		expect(old.headers.get('X-Backup-Warning')).toMatch(/TOTP_SECRET_PREVIOUS/);
		const current = await call(GET, await request(), changes);
		expect([current.status, current.headers.get('X-Backup-Warning')]).toEqual([200, null]);
		expect((await journal()).map((entry) => entry.previousSecret)).toEqual([undefined, true]);
	});

	test('of the previous secret is refused when there is none', async () => {
		const old = await call(GET, await request({}, { secret: PREVIOUS }));
		await expectError(old, 401, 'code_invalid');
	});
});

describe('wrong codes', () => {
	test('slow down their own address, and no other', async () => {
		await expectError(await guess('192.0.2.9'), 401, 'code_invalid');
		const refused = await call(GET, await request({}, { address: '192.0.2.9' }));
		expect(refused.headers.get('Retry-After')).toBe('1');
		await expectError(refused, 429, 'throttled');
		expect((await call(GET, await request())).status).toBe(200);
	});

	test('eventually lock out the right digits, but neither the long code nor the API key', async () => {
		for (let i = 1; i <= MAX_WRONG; i++) {
			const last = i === MAX_WRONG;
			const [status, code] = last
				? ([429, 'access_locked'] as const)
				: ([401, 'code_invalid'] as const);
			await expectError(await guess(`198.51.100.${i}`), status, code);
		}
		const refused = await call(POST, await request({ method: 'POST' }));
		expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(300 * 86_400);
		await expectError(refused, 429, 'access_locked');
		expect((await call(POST, await request({ method: 'POST' }, { long: true }))).status).toBe(201);
		const asked = await request();
		asked.headers.set('X-API-Key', KEY);
		expect((await call(GET, asked, { BACKUP_API_KEY: KEY })).status).toBe(200);
	});

	test('only count as guesses if they are six digits, but are in the audit log', async () => {
		const texts = ['x', '12345', '1234567', '１２３４５６', 'eyJ.eyJ.sig', '000000 000000'];
		for (const text of [...texts, 'A'.repeat(32)]) {
			for (let i = 0; i < 10; i++) {
				const headers = { Authorization: `Bearer ${encodeURIComponent(text)}` };
				await expectError(await call(GET, new Request(API, { headers })), 401, 'code_invalid');
			}
		}
		expect(await env.MY_BUCKET.head('access/guesses.json')).toBeNull();
		expect((await call(GET, await request())).status).toBe(200);
		const refused = (await journal()).filter(({ outcome }) => outcome === 'refused');
		expect(refused.map(({ code }) => code)).toEqual(Array<string>(7 * 10).fill('code_invalid'));
	});
});

describe('the API key', () => {
	const changes = { BACKUP_API_KEY: KEY };

	test('is checked before the code, which is not compared without it', async () => {
		for (let i = 0; i < 40; i++) {
			await expectError(await guess('192.0.2.9', changes), 401, 'api_key_missing');
		}
		const wrong = await request();
		wrong.headers.set('X-API-Key', `${KEY}x`);
		await expectError(await call(GET, wrong, changes), 401, 'api_key_invalid');
		const right = await request({}, { address: '192.0.2.9' });
		right.headers.set('X-API-Key', KEY);
		expect((await call(GET, right, changes)).status).toBe(200);
	});

	test('does not replace the code', async () => {
		const asked = new Request(API, { headers: { 'X-API-Key': KEY } });
		await expectError(await call(GET, asked, changes), 401, 'code_missing');
	});

	test('must be long', async () => {
		await expectError(
			await call(GET, await request(), { BACKUP_API_KEY: 'short' }),
			500,
			'backup_api_key_too_short',
		);
	});
});

describe('the audit log', () => {
	test('records every operation and every refused call', async () => {
		const { name, rows, sqlBytes, files } = await makeBackup();
		await call(getFile, await request({}, { url: `${API}/${files[0]}` }));
		await guess('198.51.100.7');
		await call(getFile, await request({}, { url: `${API}/nothing.sql` }));
		const entries = (await journal()).toReversed();
		expect(entries).toMatchObject([
			{
				...{ operation: 'backup', outcome: 'done', status: 201, backup: name },
				...{ rows, bytes: sqlBytes, caller: { kind: 'code', address: '192.0.2.1' } },
			},
			{ operation: 'alert backup_fetched', code: 'alert_nowhere', caller: { kind: 'app' } },
			{ operation: 'fetch', outcome: 'done', status: 200, caller: { kind: 'code' } },
			{
				...{ operation: 'list', outcome: 'refused', code: 'code_invalid', status: 401 },
				caller: { kind: 'stranger', address: '198.51.100.7' },
			},
			{ operation: 'fetch', outcome: 'refused', code: 'backup_not_found', status: 404 },
		]);
		for (const { durationMs, caller } of entries) {
			if (caller.kind !== 'app') expect(durationMs).toBeGreaterThanOrEqual(0);
		}
	});

	test('records a failure after the status was already sent', async () => {
		const asked = await request({ method: 'POST', headers: { Accept: 'application/x-ndjson' } });
		const broken = new Proxy(env.DB, {
			get: () => () => {
				throw new Error('D1_ERROR: no');
			},
		});
		await (await call(POST, asked, { DB: broken })).text();
		expect((await journal())[0]).toMatchObject({
			operation: 'backup',
			outcome: 'failed',
			status: 500,
		});
	});

	test('is stored in the log bucket', async () => {
		const { MY_LOGS_BUCKET } = env;
		await call(GET, await request(), { MY_LOGS_BUCKET });
		expect((await MY_LOGS_BUCKET.list()).objects).toHaveLength(1);
		expect((await env.MY_BUCKET.list({ prefix: 'journal/' })).objects).toEqual([]);
		const asked = await request({}, { url: `${API}/journal` });
		const { entries } = (await (await call(getJournal, asked, { MY_LOGS_BUCKET })).json()) as {
			entries: Entry[];
		};
		expect(entries).toMatchObject([{ operation: 'list' }]);
	});

	test('needs a code and a valid query', async () => {
		await expectError(await call(getJournal, new Request(`${API}/journal`)), 401, 'code_missing');
		for (const query of ['limit=0', 'limit=501', 'limit=x', 'before=../x', 'before=']) {
			const asked = await request({}, { url: `${API}/journal?${query}` });
			await expectError(await call(getJournal, asked), 400, 'query_invalid');
		}
	});

	test('and the console contain no secret', async () => {
		const said: string[] = [];
		for (const name of ['log', 'warn', 'error', 'info'] as const) {
			vi.spyOn(console, name).mockImplementation((...words) => void said.push(words.join(' ')));
		}
		const code = await currentCode();
		const longCode = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
		await call(GET, await request({}, { long: true }));
		const asked = await request({ method: 'POST' });
		asked.headers.set('X-API-Key', KEY);
		await call(POST, asked, { BACKUP_API_KEY: KEY, TOTP_SECRET_PREVIOUS: PREVIOUS });
		const wrong = await request();
		wrong.headers.set('X-API-Key', `${KEY}x`);
		await call(GET, wrong, { BACKUP_API_KEY: KEY });
		await guess('192.0.2.9');
		vi.restoreAllMocks();
		const { objects } = await env.MY_BUCKET.list({ include: ['customMetadata'] });
		for (const { key, customMetadata } of objects.filter(({ key }) => !key.startsWith('full_'))) {
			said.push(
				key,
				JSON.stringify(customMetadata),
				(await (await env.MY_BUCKET.get(key))?.text()) ?? '',
			);
		}
		const text = said.join('\n').replace(/\d{7,}/g, ''); // times may have six digits of a code
		expect(text).toContain('"operation":"backup"');
		for (const secret of [SECRET, PREVIOUS, KEY, code, longCode, '000000']) {
			expect(text).not.toContain(secret);
		}
	});
});

test('a refused call does not change a backup', async () => {
	await makeBackup();
	const before = await backupObjects();
	await guess('192.0.2.9');
	await call(POST, await request({ method: 'POST' }));
	expect(await backupObjects()).toEqual(before);
});
