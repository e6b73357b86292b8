import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpOf, operate, projectFolder, removeFolder } from '../../../tests/operator.ts';
import { manifestOf, NAME, titled } from '../../../tests/signed-backup.ts';
import { type Answer, listen, type Request } from '../../../tests/stand-in.ts';
import { printManifest } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import { BackupApi } from './api.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const folder = mkdtempSync(join(tmpdir(), 'lifeboat-api-'));
afterAll(() => rmSync(folder, { recursive: true }));

const apiAt = (url: string) =>
	new BackupApi(url, { TOTP_SECRET: SECRET }, new AbortController().signal);

/** Sends bytes for as long as anybody reads them. */
const endless: Answer = (_, response) => {
	const send = () => {
		while (!response.destroyed && response.write(Buffer.alloc(65_536)));
	};
	response.on('drain', send);
	send();
};
const sends =
	(bytes: Buffer): Answer =>
	(_, response) =>
		void response.end(bytes);

describe('a download', () => {
	const path = join(folder, 'volume');
	const bytes = Buffer.from('the bytes of a volume');

	test('is saved for its owner alone, with its digest', async () => {
		await using app = await listen(sends(bytes));
		const sha256 = await apiAt(app.url).download('x', path, bytes.length);
		expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
		expect(readFileSync(path).equals(bytes)).toBe(true);
		expect(statSync(path).mode & 0o777).toBe(0o600);
	});

	test.for([
		['less', bytes.length + 1],
		['more', bytes.length - 1],
	] as const)('with %s bytes than the manifest says is refused', async ([how, expected]) => {
		await using app = await listen(sends(bytes));
		await expect(apiAt(app.url).download('x', path, expected)).rejects.toMatchObject({
			code: 'backup_damaged',
			message: expect.stringContaining(`sends ${how} than the ${expected} bytes`),
		});
	});

	test('without an end is cut off', async () => {
		await using app = await listen(endless);
		await expect(apiAt(app.url).download('x', path, 1000)).rejects.toMatchObject({
			code: 'backup_damaged',
		});
		expect(statSync(path).size).toBeGreaterThan(1000);
		expect(statSync(path).size).toBeLessThan(1_000_000);
	});
});

test('a manifest or list without an end is cut off', async () => {
	await using app = await listen(endless);
	const unknown = { code: 'app_answer_unknown' };
	await expect(apiAt(app.url).manifest(NAME)).rejects.toMatchObject(unknown);
	await expect(apiAt(app.url).list()).rejects.toMatchObject(unknown);
});

describe('a backup whose file is not as long as its manifest says', () => {
	const MAC_KEY = 'a secret of the tests, long enough';
	let project: string;
	let stored: Buffer;
	let manifest: string;
	beforeAll(async () => {
		project = projectFolder();
		const rows = ['CREATE TABLE t (a)', 'INSERT INTO t VALUES (1)'];
		const sql = titled(await dumpOf(join(project, 'original'), ...rows));
		stored = gzipSync(sql);
		manifest = printManifest(await manifestOf(sql, stored, MAC_KEY));
	});
	afterAll(() => removeFolder(project));

	test.for<[string, () => Answer]>([
		['longer', () => sends(Buffer.concat([stored, Buffer.alloc(10)]))],
		['endless', () => endless],
		['shorter', () => sends(stored.subarray(0, -1))],
	])('%s, is not restored, and a drill records it', async ([, volume]) => {
		const requests: Request[] = [];
		await using app = await listen((request, response, body) => {
			const { method, url } = request;
			if (method === 'POST') return void response.end(JSON.stringify({ proof: {} }));
			if (url?.endsWith(manifestKey(NAME))) return void response.end(manifest);
			volume()(request, response, body);
		}, requests);
		const env = { TOTP_SECRET: SECRET, BACKUP_MAC_KEY: MAC_KEY, BACKUP_URL: app.url };
		const path = join(folder, 'restored.db');
		const restored = await operate(project, 'restore', [NAME, '--to', path, '--json'], { env });
		expect([restored.code, JSON.parse(restored.stdout)]).toMatchObject([
			1,
			{ code: 'backup_differs', details: [expect.stringContaining(NAME)] },
		]);
		expect(existsSync(path)).toBe(false);

		const drilled = await operate(project, 'drill', [NAME, '--record', '--json'], { env });
		expect([drilled.code, JSON.parse(drilled.stdout)]).toMatchObject([1, { proven: false }]);
		expect(requests.at(-1)?.body).toContain('"proven":false');
	});
});

test.for<['restore' | 'drill' | 'journal', string[]]>([
	['restore', ['latest', '--to', 'x.db']],
	['drill', ['latest']],
	['journal', []],
])('without an address %s sends nothing, and says what to set', async ([command, words]) => {
	const ended = await operate(folder, command, [...words, '--json'], {
		env: { TOTP_SECRET: SECRET, BACKUP_URL: '' },
	});
	expect([ended.code, JSON.parse(ended.stdout)]).toMatchObject([
		2,
		{ code: 'app_url_missing', hint: expect.stringContaining('BACKUP_URL') },
	]);
});
