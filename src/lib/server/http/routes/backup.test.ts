import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import type { Environment } from '../../environment.ts';
import { TOTP } from '../../../totp.js';
import {
	API,
	authorized,
	backupObjects,
	call,
	currentCode,
	expectError,
	makeBackup,
	nextCode,
	SECRET,
	untouchable,
	untouchableBackups,
} from '../../../../../tests/calls.ts';
import { GET as getFile, HEAD as headFile, POST as postFile } from './file.ts';
import { createBackup, engine } from '../../../../../tests/backups.ts';
import { verifyBackup } from '../../backup/prove/prove.ts';
import { backupKeys } from '../../backup/settings.ts';
import { GET, POST } from './backups.ts';

beforeEach(reset);

describe('the code', () => {
	const headersOf: Record<string, () => Promise<string[]>> = {
		'is missing': async () => [],
		'is wrong': async () => [
			`Bearer ${(Number(await currentCode()) + 1) % 1_000_000}`.padEnd(13, '7'),
		],
		'has expired': async () => [
			`Bearer ${await new TOTP(SECRET).generateTOTP(Date.now() / 1000 - 90)}`,
		],
		'is from the future': async () => [
			`Bearer ${await new TOTP(SECRET).generateTOTP(Date.now() / 1000 + 90)}`,
		],
		'is another secret’s': async () => [
			`Bearer ${await new TOTP('A'.repeat(32)).generateTOTP(Date.now() / 1000)}`,
		],
		'is too short': async () => ['Bearer 12345'],
		'is too long': async () => ['Bearer 1234567'],
		'is empty': async () => ['Bearer '],
		'has no scheme': async () => [await currentCode()],
		'is sent as Basic': async () => [`Basic ${btoa(`x:${await currentCode()}`)}`],
		'is sent as Token': async () => [`Token ${await currentCode()}`],
		'is sent with something after it': async () => [`Bearer ${await currentCode()} x`],
		'is sent twice': async () => [`Bearer ${await currentCode()}`, `Bearer ${await currentCode()}`],
		'is sent together with a wrong one': async () => [
			'Bearer 000000',
			`Bearer ${await currentCode()}`,
		],
		'is in the digits of another script': async () => [`Bearer ${encodeURIComponent('١٢٣٤٥٦')}`],
		'is another secret’s long one': async () => [
			`Bearer ${await new TOTP('A'.repeat(32)).generateLongCode(Date.now() / 1000)}`,
		],
		'is a long one that has expired': async () => [
			`Bearer ${await new TOTP(SECRET).generateLongCode(Date.now() / 1000 - 90)}`,
		],
		'is the secret': async () => [`Bearer ${SECRET}`],
	};
	const calls = [
		['POST', POST, API],
		['GET', GET, API],
		['GET', getFile, `${API}/full_backup_2026-11-22T21:52:00.000Z.sql`],
		['HEAD', headFile, `${API}/full_backup_2026-11-22T21:52:00.000Z.sql`],
		['POST', postFile, `${API}/full_backup_2026-11-22T21:52:00.000Z.sql`],
	] as const;

	test.for(Object.keys(headersOf))(
		'%s: the answer is 401, and neither a database nor a backup is touched',
		async (name) => {
			for (const [method, handler, url] of calls) {
				await nextCode();
				const request = new Request(url, { method });
				for (const value of (await headersOf[name]?.()) ?? []) {
					request.headers.append('Authorization', value);
				}
				const response = await call(handler, request, {
					DB: untouchable(),
					MY_BUCKET: untouchableBackups(),
					DRILL_DB: untouchable(),
				});
				await expectError(response, 401, name === 'is missing' ? 'code_missing' : 'code_invalid');
			}
		},
	);

	test.for([-30, 0, 30])('from %d seconds from now passes', async (seconds) => {
		const now = 1_800_000_015_000;
		vi.setSystemTime(now);
		try {
			const [totp, time] = [new TOTP(SECRET), now / 1000 + seconds];
			for (const code of [await totp.generateTOTP(time), await totp.generateLongCode(time)]) {
				const request = new Request(API, { headers: { Authorization: `Bearer ${code}` } });
				expect((await call(GET, request)).status).toBe(200);
			}
		} finally {
			vi.useRealTimers();
		}
	});
});

describe('settings', () => {
	test.for([
		['DB', 'db_binding_missing'],
		['MY_BUCKET', 'bucket_binding_missing'],
		['TOTP_SECRET', 'totp_secret_missing'],
	] as const)('without %s every call answers %s', async ([name, code]) => {
		for (const handler of [POST, GET, getFile, postFile]) {
			const method = handler === POST || handler === postFile ? 'POST' : 'GET';
			const request = await authorized({ method }, `${API}/x`);
			const text = await expectError(
				await call(handler, request, { [name]: undefined }),
				500,
				code,
			);
			expect(text).toContain(name);
			expect(text).not.toMatch(/\bat .*:\d+:\d+/);
		}
	});

	test('a hexadecimal secret is reported as such, and not shown', async () => {
		const hex = '0123456789abcdef0123456789abcdef';
		const answer = await call(GET, await authorized(), { TOTP_SECRET: hex });
		const text = await expectError(answer, 500, 'totp_secret_looks_hex');
		expect(text).not.toContain(hex);
	});

	test('a database error does not reveal its SQL', async () => {
		const broken = {
			withSession: () => ({
				prepare: () => ({}),
				batch: async () => {
					throw new Error('D1_ERROR: near "secret_table": syntax error');
				},
			}),
		} as unknown as D1Database;
		const answer = await call(POST, await authorized({ method: 'POST' }), {
			DB: broken as unknown as Environment['DB'],
		});
		const text = await expectError(answer, 500, 'database_error');
		expect(text).not.toContain('secret_table');
	});
});

describe('POST', () => {
	test.for([
		['no body', {}],
		['an action', { body: '{"action":"backup"}', headers: { 'Content-Type': 'application/json' } }],
	] as const)('with %s makes a backup', async ([, init]) => {
		const response = await call(POST, await authorized({ method: 'POST', ...init }));
		expect(response.status).toBe(201);
		expect(await response.json()).toEqual({
			success: true,
			backup: expect.objectContaining({ kind: 'full', tables: 0, rows: 0 }),
		});
	});

	test.for([
		['another action', 400, 'body_invalid', '{"action":"restore"}', 'application/json'],
		['something more', 400, 'body_invalid', '{"action":"backup","x":1}', 'application/json'],
		['no object', 400, 'body_invalid', '[]', 'application/json'],
		['no JSON', 400, 'body_invalid', '{', 'application/json'],
		[
			'a form',
			415,
			'content_type_unsupported',
			'action=backup',
			'application/x-www-form-urlencoded',
		],
		['an untyped body', 415, 'content_type_unsupported', '{"action":"backup"}', ''],
		['a large body', 413, 'body_too_large', ' '.repeat(60_000), 'application/json'],
	] as const)('with %s is refused and stores nothing', async ([, status, code, body, type]) => {
		const request = await authorized({ method: 'POST', body });
		if (type) request.headers.set('Content-Type', type);
		else request.headers.delete('Content-Type');
		await expectError(await call(POST, request), status, code);
		expect(await backupObjects()).toEqual([]);
	});

	test('reports its progress line by line on request', async () => {
		await env.DB.batch(
			['CREATE TABLE t (x)', 'INSERT INTO t VALUES (1), (2)'].map((sql) => env.DB.prepare(sql)),
		);
		const request = await authorized({
			method: 'POST',
			headers: { Accept: 'application/x-ndjson' },
		});
		const response = await call(POST, request);
		expect(response.status).toBe(200);
		expect(response.headers.get('Content-Type')).toBe('application/x-ndjson');
		const lines = (await response.text()).trimEnd().split('\n');
		expect(lines.map((line) => JSON.parse(line))).toEqual([
			{ event: 'step', name: expect.stringMatching(/^full_backup_/), step: 1 },
			{ event: 'rows', table: 't', rows: 2, bytes: expect.any(Number) },
			{ event: 'done', success: true, backup: expect.objectContaining({ rows: 2 }) },
		]);
	});

	test('ends its progress lines with the error', async () => {
		const lock = (key: string) =>
			key === 'lifeboat.lock' && Promise.reject(new Error('R2 is away'));
		const bucket = new Proxy(env.MY_BUCKET, {
			get: (target, name: keyof R2Bucket) =>
				name === 'put'
					? (key: string, ...rest: [string]) => lock(key) || target.put(key, ...rest)
					: target[name].bind(target),
		});
		const request = await authorized({
			method: 'POST',
			headers: { Accept: 'application/x-ndjson' },
		});
		const response = await call(POST, request, { MY_BUCKET: bucket });
		expect(JSON.parse(await response.text())).toEqual({
			event: 'error',
			error: expect.any(String),
			code: 'storage_error',
			hint: expect.any(String),
		});
	});
});

describe('GET', () => {
	test('lists all backups, page by page', async () => {
		const older = await makeBackup();
		const newer = await makeBackup();
		const first = await call(GET, await authorized({}, `${API}?limit=1`));
		const page = (await first.json()) as { backups: unknown[]; cursor: string };
		const retention = { keep: true, reasons: expect.anything(), pin: null, mark: null };
		const usual = { suggested: { keep: true, reasons: expect.anything() } };
		const unproven = { signed: true, verified: null, drilled: null, ...retention, ...usual };
		const only = { retention: expect.anything(), database: 'main', databases: ['main'] };
		expect(page).toEqual({ backups: [{ ...newer, ...unproven }], cursor: newer.name, ...only });
		const cursor = encodeURIComponent(page.cursor);
		const second = await call(GET, await authorized({}, `${API}?limit=1&cursor=${cursor}`));
		expect(await second.json()).toEqual({
			backups: [{ ...older, ...unproven }],
			cursor: null,
			...only,
		});
	});

	test('says which backups the policy keeps', async () => {
		const settings = { BACKUP_KEEP_LAST: '1' };
		const full = engine({ keys: backupKeys({ TOTP_SECRET: SECRET }), now: Date.now });
		const [older, newer] = [await createBackup(full), await createBackup(full)];
		await verifyBackup(full, `${newer.name}.manifest.json`);
		expect(await (await call(GET, await authorized(), settings)).json()).toMatchObject({
			backups: [
				{ name: newer.name, keep: true, reasons: [{ code: 'last', text: 'last 1 of 1' }, {}, {}] },
				{ name: older.name, keep: false, reasons: [{ code: 'no_rule' }] },
			],
			retention: { policy: { last: 1 }, removable: 1, blocked: null },
		});
		const wrong = { BACKUP_KEEP_LAST: 'one' };
		await expectError(await call(GET, await authorized(), wrong), 500, 'backup_keep_last_invalid');
	});

	test.for(['limit=0', 'limit=101', 'limit=x', 'limit=-1', 'limit=1.5'])(
		'?%s is refused',
		async (query) => {
			await expectError(
				await call(GET, await authorized({}, `${API}?${query}`)),
				400,
				'query_invalid',
			);
		},
	);
});
