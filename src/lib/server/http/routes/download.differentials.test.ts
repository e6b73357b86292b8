import { env } from 'cloudflare:workers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { API, authorized, call, expectError, makeBackup } from '../../../../../tests/calls.ts';
import { change, flipBit } from '../../../../../tests/backups.ts';
import { apply } from '../../../../../tests/databases/sql.ts';
import { CHANGES, POSTS } from '../../../../../tests/differentials.ts';
import { reset } from '../../../../../tests/reset.ts';
import type { BackupSummary } from '../../backup/format/manifest.ts';
import { readAuditLog } from '../../operations/audit-log.ts';
import { GET as getFile, HEAD as headFile } from './file.ts';

let full: BackupSummary;
let differential: BackupSummary;
let file: string;
beforeEach(async () => {
	await reset();
	await apply(env.DB, POSTS);
	full = await makeBackup();
	await apply(env.DB, CHANGES);
	differential = await makeBackup();
	file = differential.files[0] ?? '';
	expect(differential.parent).toBe(full.name);
});

async function fetchFile(
	name: string,
	{
		query = '',
		method = 'GET',
		headers = {},
	}: { query?: string; method?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
	const address = `${API}/${encodeURIComponent(name)}${query}`;
	const request = await authorized({ method, headers }, address);
	return call(method === 'HEAD' ? headFile : getFile, request);
}

const sqlIn = async (response: Response) =>
	gunzipSync(new Uint8Array(await response.arrayBuffer())).toString();

describe('the first file of a differential', () => {
	test('comes with the slices of its parent, as one file of known length', async () => {
		const response = await fetchFile(file, { headers: { Range: 'bytes=0-3' } });
		expect(response.status).toBe(200);
		const bytes = new Uint8Array(await response.clone().arrayBuffer());
		expect(response.headers.get('Content-Length')).toBe(String(bytes.length));
		expect(response.headers.get('Accept-Ranges')).toBe('none');
		const sql = await sqlIn(response);
		expect(sql.length).toBe(differential.sqlBytes);
		expect(sql).toContain(`(1000,'changed',`);
		expect(sql).toContain(`(999,'Post 999',`);
		expect(sql).toMatch(/^-- Lifeboat .*\n[^]*-- lifeboat {.*}\n$/);
	});

	test('HEAD answers the same headers', async () => {
		const get = await fetchFile(file);
		const head = await fetchFile(file, { method: 'HEAD' });
		expect(await head.text()).toBe('');
		expect([...head.headers]).toEqual([...get.headers]);
		await get.body?.cancel();
	});

	test('comes as it is stored if that is asked for, in part too', async () => {
		const stored = new Uint8Array((await (await env.MY_BUCKET.get(file))?.arrayBuffer()) ?? []);
		const response = await fetchFile(file, { query: '?stored' });
		expect(Buffer.from(await response.arrayBuffer()).equals(stored)).toBe(true);
		expect(response.headers.get('ETag')).toMatch(/^"/);
		const part = await fetchFile(file, { query: '?stored', headers: { Range: 'bytes=5-9' } });
		expect(part.status).toBe(206);
		expect(new Uint8Array(await part.arrayBuffer())).toEqual(stored.slice(5, 10));
	});

	test('breaks off where a slice of the parent is damaged', async () => {
		await change(full.files[0] ?? '', (bytes) => flipBit(bytes, 2 * bytes.length));
		const response = await fetchFile(file);
		expect(response.status).toBe(200);
		await expect(response.arrayBuffer()).rejects.toThrow();
	});

	test('is refused if the parent is not there, or is another', async () => {
		const manifest = `${full.name}.manifest.json`;
		const text = (await (await env.MY_BUCKET.get(manifest))?.text()) ?? '';
		await env.MY_BUCKET.put(manifest, text.replace('"attempts": 1', '"attempts": 2'));
		await expectError(await fetchFile(file), 422, 'parent_differs');
		await env.MY_BUCKET.delete(manifest);
		expect(await expectError(await fetchFile(file), 422, 'parent_missing')).toContain(full.name);
		expect((await fetchFile(file, { query: '?stored' })).status).toBe(200);
	});

	test('is in the audit log with its parent', async () => {
		await (await fetchFile(file)).arrayBuffer();
		const { entries } = await readAuditLog(env.MY_BUCKET, { limit: 1 });
		expect(entries).toMatchObject([{ operation: 'fetch', backup: file, parent: full.name }]);
	});
});

test('the list of its slices is text', async () => {
	const response = await fetchFile(`${differential.name}.slices`);
	expect(response.headers.get('Content-Type')).toBe('text/plain');
	expect(await response.text()).toContain(`${full.files[0]} `);
});
