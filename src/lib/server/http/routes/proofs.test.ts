import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { outside, post } from '../../../../../tests/proof-calls.ts';
import { reset } from '../../../../../tests/reset.ts';
import { acquireLock } from '../../backup/storage/lock.ts';
import type { Environment } from '../../environment.ts';
import type { Proof } from '../../backup/format/proof.ts';
import {
	API,
	authorized,
	backupObjects,
	call,
	expectError,
	makeBackup,
	untouchable,
} from '../../../../../tests/calls.ts';
import { GET as getFile } from './file.ts';
import { GET } from './backups.ts';

beforeEach(reset);

const fill = () =>
	env.DB.batch(
		[
			'CREATE TABLE t (id INTEGER PRIMARY KEY, x)',
			`INSERT INTO t (x) VALUES (1), ('two'), (x'03')`,
		].map((sql) => env.DB.prepare(sql)),
	);

async function lines(response: Response): Promise<unknown[]> {
	expect([response.status, response.headers.get('Content-Type')]).toEqual([
		200,
		'application/x-ndjson',
	]);
	return (await response.text())
		.trimEnd()
		.split('\n')
		.map((line) => JSON.parse(line) as unknown);
}

async function proofIn(response: Response): Promise<Proof> {
	return ((await response.json()) as { proof: Proof }).proof;
}

/** The list's entry for the only backup. */
async function listed(): Promise<unknown> {
	const { backups } = (await (await call(GET, await authorized())).json()) as {
		backups: unknown[];
	};
	expect(backups).toHaveLength(1);
	return backups[0];
}

async function damage(key: string): Promise<void> {
	const bytes = (await (await env.MY_BUCKET.get(key))?.bytes()) ?? new Uint8Array();
	bytes[200] = (bytes[200] ?? 0) ^ 1;
	await env.MY_BUCKET.put(key, bytes);
}

describe.for([
	['verify', 'verified', ['verify']],
	['drill', 'drilled', ['verify', 'restore', 'compare']],
] as const)('POST %s', ([action, field, steps]) => {
	test('answers with the proof, and the list shows it', async () => {
		await fill();
		const { name, files, sqlBytes } = await makeBackup();
		const response = await post(files[0] ?? '', { action });
		expect(response.status).toBe(200);
		const answer = (await response.json()) as { proof: Proof };
		expect(answer).toEqual({
			success: true,
			proof: {
				...{ format: 1, backup: name, kind: action, by: 'worker', proven: true },
				...{ startedAt: expect.any(String), finishedAt: expect.any(String) },
				...{ scope: 'contents', tables: 1, rows: 3, bytes: sqlBytes, differences: [] },
				warnings: [expect.stringContaining('not encrypted')],
				engine: { version: expect.any(String) },
				mac: expect.stringMatching(/^[0-9a-f]{64}$/),
			},
		});
		const other = field === 'verified' ? 'drilled' : 'verified';
		const last = { at: answer.proof.finishedAt, proven: true };
		expect(await listed()).toMatchObject({ [field]: last, [other]: null });
	});

	test('answers 422 for a damaged backup, with the proof', async () => {
		await fill();
		const { name, files } = await makeBackup();
		await damage(files[0] ?? '');
		const response = await post(`${name}.manifest.json`, { action });
		expect(response.status).toBe(422);
		const { proof, ...error } = (await response.json()) as { proof: Proof };
		expect(error).toEqual({
			error: expect.any(String),
			code: 'backup_differs',
			hint: expect.any(String),
		});
		expect(proof).toMatchObject({ kind: action, proven: false });
		expect(proof.differences).not.toEqual([]);
		expect(await listed()).toMatchObject({ [field]: { at: proof.finishedAt, proven: false } });
	});

	test('reports its steps line by line, then the proof', async () => {
		await fill();
		const { files } = await makeBackup();
		const response = await post(files[0] ?? '', { action }, { accept: 'application/x-ndjson' });
		expect(await lines(response)).toEqual([
			...steps.map((step) => ({
				...{ event: 'step', step },
				...{ bytes: expect.any(Number), totalBytes: expect.any(Number) },
			})),
			{
				...{ event: 'done', success: true },
				proof: expect.objectContaining({ kind: action, proven: true }),
			},
		]);
	});

	test('ends its lines with the error and the proof if something differs', async () => {
		const { files } = await makeBackup();
		await damage(files[0] ?? '');
		const response = await post(files[0] ?? '', { action }, { accept: 'application/x-ndjson' });
		expect((await lines(response)).at(-1)).toEqual({
			...{ event: 'error', code: 'backup_differs' },
			...{ error: expect.any(String), hint: expect.any(String) },
			proof: expect.objectContaining({ kind: action, proven: false }),
		});
	});

	test.for(['other.sql', 'full_backup_2026-01-01T00:00:00.000Z.sql'])(
		'answers 404 for %s, and changes nothing',
		async (file) => {
			await makeBackup();
			await env.MY_BUCKET.put(file, 'private');
			const before = await backupObjects();
			await expectError(await post(file, { action }), 404, 'backup_not_found');
			expect(await backupObjects()).toEqual(before);
		},
	);
});

describe('POST drill', () => {
	const drill = { action: 'drill' };

	test('without the binding DRILL_DB answers 409 and says how to add it', async () => {
		const { files } = await makeBackup();
		const before = await backupObjects();
		const { DB, MY_BUCKET } = env;
		const response = await post(files[0] ?? '', drill, {
			changes: { DB, MY_BUCKET, DRILL_DB: undefined } as unknown as Partial<Environment>,
		});
		const text = await expectError(response, 409, 'drill_database_missing');
		expect(text).toContain('wrangler.toml');
		expect(await backupObjects()).toEqual(before);
	});

	test('never touches the database of the app', async () => {
		await fill();
		const { files } = await makeBackup();
		const before = await backupObjects();
		const wrong = await post(files[0] ?? '', drill, { changes: { DRILL_DB: env.DB } });
		await expectError(wrong, 409, 'drill_database_not_empty');
		expect(await backupObjects()).toEqual(before);
		const rows = await env.DB.prepare('SELECT id, quote(x) FROM t').raw();
		expect(rows).toEqual([
			[1, '1'],
			[2, `'two'`],
			[3, `X'03'`],
		]);
		const right = await post(files[0] ?? '', drill, { changes: { DB: untouchable() } });
		expect(right.status).toBe(200);
	});

	test('answers 409 while another one runs, with the time to retry', async () => {
		await fill();
		const { name, files } = await makeBackup();
		const sleep = () => Promise.resolve();
		await acquireLock({ bucket: env.MY_BUCKET, now: Date.now, sleep }, 'drill', name);
		const answer = await post(files[0] ?? '', drill);
		expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
		await expectError(answer, 409, 'drill_running');
	});
});

describe('POST proof', () => {
	test('records the proof; GET returns it, and the list shows it', async () => {
		const { name, files } = await makeBackup();
		const response = await post(files[0] ?? '', { action: 'proof', proof: outside });
		expect(response.status).toBe(200);
		const proof = await proofIn(response);
		expect(proof).toEqual({
			...{ format: 1, backup: name },
			...outside,
			warnings: [expect.stringContaining('not encrypted')],
			engine: { version: expect.any(String) },
			mac: expect.stringMatching(/^[0-9a-f]{64}$/),
		});
		const file = `${name}.proof-${outside.finishedAt}.json`;
		const url = `${API}/${encodeURIComponent(file)}`;
		const stored = await call(getFile, await authorized({}, url));
		expect(stored.headers.get('Content-Type')).toBe('application/json');
		expect(stored.headers.get('Content-Disposition')).not.toMatch(/filename=".*:.*"/);
		expect(await stored.json()).toEqual(proof);
		expect(await listed()).toMatchObject({
			verified: null,
			drilled: { at: outside.finishedAt, proven: true },
		});
	});

	test('records differences too', async () => {
		const { files } = await makeBackup();
		const found = { ...outside, proven: false, differences: Array(20).fill('ü'.repeat(300)) };
		const response = await post(files[0] ?? '', { action: 'proof', proof: found });
		expect([response.status, await proofIn(response)]).toEqual([
			200,
			expect.objectContaining(found),
		]);
	});

	test('refuses a proof from the future', async () => {
		const { files } = await makeBackup();
		const before = await backupObjects();
		const proof = { ...outside, finishedAt: '9999-01-01T00:00:00.000Z' };
		const response = await post(files[0] ?? '', { action: 'proof', proof });
		await expectError(response, 400, 'proof_from_future');
		expect(await backupObjects()).toEqual(before);
	});
});
