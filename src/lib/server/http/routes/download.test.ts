import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { API, authorized, call, expectError, makeBackup } from '../../../../../tests/calls.ts';
import { GET as getFile, HEAD as headFile } from './file.ts';

beforeEach(reset);

describe('a file', () => {
	const plain = { BACKUP_COMPRESSION: 'off' };

	async function fetchFile(
		name: string,
		headers: Record<string, string> = {},
		method = 'GET',
	): Promise<Response> {
		const request = await authorized({ method, headers }, `${API}/${encodeURIComponent(name)}`);
		return call(method === 'HEAD' ? headFile : getFile, request);
	}

	test('is sent as stored, under a name that Windows accepts', async () => {
		const { name } = await makeBackup(plain);
		const response = await fetchFile(`${name}.sql`);
		expect(response.status).toBe(200);
		const stored = await (await env.MY_BUCKET.get(`${name}.sql`))?.text();
		expect(await response.text()).toBe(stored);
		const disposition = response.headers.get('Content-Disposition') ?? '';
		expect(disposition).toMatch(/^attachment; filename="full_backup_[^"<>:\\|?*/]+\.sql"$/);
		expect(response.headers.get('Content-Length')).toBe(String(stored?.length));
	});

	test('may be the manifest', async () => {
		const { name } = await makeBackup(plain);
		const response = await fetchFile(`${name}.manifest.json`);
		expect(response.headers.get('Content-Type')).toBe('application/json');
		expect(await response.json()).toMatchObject({ format: 2, name });
	});

	test('is not sent again to a caller who already has it', async () => {
		const { name } = await makeBackup(plain);
		const etag = (await fetchFile(`${name}.sql`)).headers.get('ETag') ?? '';
		expect(etag).toMatch(/^"[^"]+"$/);
		for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
			const response = await fetchFile(`${name}.sql`, { 'If-None-Match': header });
			expect([response.status, await response.text()]).toEqual([304, '']);
		}
		expect((await fetchFile(`${name}.sql`, { 'If-None-Match': '"other"' })).status).toBe(200);
	});

	test('HEAD answers everything but the bytes', async () => {
		const { name } = await makeBackup(plain);
		const get = await fetchFile(`${name}.sql`);
		const head = await fetchFile(`${name}.sql`, { Range: 'bytes=0-3' }, 'HEAD');
		expect([head.status, await head.text()]).toEqual([200, '']);
		expect([...head.headers]).toEqual([...get.headers]);
	});

	test('is sent in part for a range', async () => {
		const { name } = await makeBackup(plain);
		const whole = (await (await env.MY_BUCKET.get(`${name}.sql`))?.text()) ?? '';
		const size = whole.length;
		for (const [range, start, end] of [
			['bytes=0-9', 0, 10],
			['bytes=10-', 10, size],
			['bytes=-5', size - 5, size],
			[`bytes=${size - 1}-`, size - 1, size],
			['bytes=0-999999', 0, size],
			['bytes=-999999', 0, size],
		] as const) {
			const response = await fetchFile(`${name}.sql`, { Range: range });
			expect([range, response.status]).toEqual([range, 206]);
			expect(response.headers.get('Content-Range')).toBe(`bytes ${start}-${end - 1}/${size}`);
			expect(await response.text()).toBe(whole.slice(start, end));
		}
		for (const range of ['bytes=5-4', 'bytes=-', 'bytes=0-1,3-4', 'rows=0-1', 'bytes=x-y']) {
			const response = await fetchFile(`${name}.sql`, { Range: range });
			expect([range, response.status, await response.text()]).toEqual([range, 200, whole]);
		}
		for (const range of [`bytes=${size}-`, 'bytes=999999-', 'bytes=-0']) {
			const response = await fetchFile(`${name}.sql`, { Range: range });
			await expectError(response, 416, 'range_not_satisfiable');
		}
	});

	test('is sent whole if it has changed since the caller read a part', async () => {
		const { name } = await makeBackup(plain);
		const etag = (await fetchFile(`${name}.sql`)).headers.get('ETag') ?? '';
		const range = { Range: 'bytes=0-3' };
		expect((await fetchFile(`${name}.sql`, { ...range, 'If-Range': etag })).status).toBe(206);
		expect((await fetchFile(`${name}.sql`, { ...range, 'If-Range': '"old"' })).status).toBe(200);
	});

	test.for([
		'other.sql',
		'lifeboat.lock',
		'full_backup_2026-11-22T21:52:00.000Z.sql',
		'full_backup_2026-11-22T21:52:00.000Z.sql.exe',
		'../secrets',
		'%2e%2e%2fsecrets',
		'__proto__',
	])('%s is not found', async (name) => {
		await env.MY_BUCKET.put(name, 'private');
		await expectError(await fetchFile(name), 404, 'backup_not_found');
	});
});
