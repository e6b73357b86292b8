import { env } from 'cloudflare:workers';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, sourceOf } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { type BackupSummary, type Manifest, parseManifest } from '../../backup/format/manifest.ts';
import { manifestKey } from '../../backup/format/names.ts';
import { decoded } from '../../backup/storage/codec.ts';
import type { Environment } from '../../environment.ts';
import {
	API,
	authorized,
	backupObjects,
	call,
	expectError,
	SECRET,
	untouchable,
	untouchableBackups,
} from '../../../../../tests/calls.ts';
import { GET as getFile, POST as postFile } from './file.ts';
import { GET, POST } from './backups.ts';

// Backups in steps over the API, with compressed and encrypted files read by independent code.

type Changes = Partial<Environment>;

interface Answer {
	retryAfter?: number;
	backup?: BackupSummary;
	resume?: string;
	progress?: object;
}

let identity: string;
let recipient: string;
let other: string;

beforeAll(async () => {
	identity = await generateX25519Identity();
	recipient = await identityToRecipient(identity);
	other = await identityToRecipient(await generateX25519Identity());
});
beforeEach(reset);

const fill = (rows = 3) =>
	env.DB.batch(
		[
			'CREATE TABLE t (id INTEGER PRIMARY KEY, x)',
			`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO t SELECT i, 'it''s ' || i FROM n`,
		].map((sql) => env.DB.prepare(sql)),
	);

/** Enough rows for three steps on the free plan. */
async function fillLarge(): Promise<void> {
	await fill();
	const row = env.DB.prepare('INSERT INTO t (x) VALUES (zeroblob(1900000))');
	await env.DB.batch(Array.from({ length: 10 }, () => row));
}

const encrypting = (): Changes => ({ BACKUP_AGE_RECIPIENTS: recipient });

/** The options of a POST with this body. */
const posting = (body: object, more: Record<string, string> = {}) => ({
	method: 'POST',
	headers: { 'Content-Type': 'application/json', ...more },
	body: JSON.stringify(body),
});

async function post(body: object, changes: Changes, headers = {}): Promise<Response> {
	return call(POST, await authorized(posting(body, headers)), changes);
}

/** Starts a backup, or resumes it. */
async function step(
	changes: Changes,
	ticket?: string,
): Promise<{ status: number; answer: Answer }> {
	const body = ticket === undefined ? { action: 'backup' } : { action: 'resume', ticket };
	const response = await post(body, changes);
	return { status: response.status, answer: await response.json() };
}

async function download(file: string): Promise<Response> {
	return call(getFile, await authorized({}, `${API}/${encodeURIComponent(file)}`));
}

async function prove(file: string, action: string, changes: Changes = {}): Promise<Response> {
	const init = posting({ action });
	return call(postFile, await authorized(init, `${API}/${encodeURIComponent(file)}`), changes);
}

async function manifestOf(name: string): Promise<Manifest> {
	return parseManifest(await (await download(manifestKey(name))).text());
}

async function listed(): Promise<BackupSummary[]> {
	const response = await call(GET, await authorized());
	return ((await response.json()) as { backups: BackupSummary[] }).backups;
}

/** The SQL in a compressed file, which may be encrypted too. */
async function sqlIn(bytes: ArrayBuffer, key?: string): Promise<string> {
	const stored = new Uint8Array(bytes);
	const open = () =>
		decoded(sourceOf(stored).open(), key ? ['gzip', 'age'] : ['gzip'], key ? [key] : []);
	return new TextDecoder().decode(await bytesOf({ open }));
}

const LAST_LINE = /\n-- lifeboat \{.*\}\n$/;

describe('a backup in steps', () => {
	test('answers 202 with a ticket until it is done', async () => {
		await fillLarge();
		await env.DB.exec(
			`CREATE VIRTUAL TABLE search USING fts5 (x, content='', tokenize=trigram, detail=none)`,
		);
		const first = await step({});
		expect(first).toEqual({
			status: 202,
			answer: {
				success: true,
				resume: expect.stringMatching(/^[\w.-]+$/),
				retryAfter: 720,
				progress: {
					...{ name: expect.stringMatching(/^full_backup_/), step: 1, tables: 0 },
					...{ rows: expect.any(Number), sqlBytes: expect.any(Number) },
				},
			},
		});
		expect(await listed()).toEqual([]);
		const second = await step({}, first.answer.resume);
		expect([second.status, second.answer.progress]).toMatchObject([202, { step: 2 }]);
		// Its answer was lost.
		const again = await step({}, first.answer.resume);
		expect([again.status, again.answer.progress]).toEqual([202, second.answer.progress]);
		const last = await step({}, again.answer.resume);
		expect(last.status).toBe(201);
		const { backup } = last.answer;
		expect(backup).toMatchObject({ tables: 1, rows: 13, files: { length: 3 } });
		expect(backup?.warningTexts).toEqual([
			expect.stringContaining('"search" has trigrams without their places'),
			expect.stringContaining('not encrypted'),
		]);
		expect(await step({}, again.answer.resume)).toEqual(last);
		expect(await listed()).toMatchObject([{ name: backup?.name }]);
		const parts = await Promise.all(
			(backup?.files ?? []).map(async (file) => sqlIn(await (await download(file)).arrayBuffer())),
		);
		expect(parts.join('')).toMatch(LAST_LINE);
		expect(parts.join('').length).toBe(backup?.sqlBytes);
		expect((await prove(backup?.files[1] ?? '', 'drill')).status).toBe(200);
	});

	test('asks for a pause of twelve minutes on the free plan', async () => {
		await fillLarge();
		const first = await post({ action: 'backup' }, {});
		expect(first.headers.get('Retry-After')).toBe('720');
		const { resume } = (await first.json()) as Answer;
		const lost = await post({ action: 'resume', ticket: resume }, {}); // its answer is repeated
		const again = await post({ action: 'resume', ticket: resume }, {});
		expect(await again.json()).toMatchObject({ retryAfter: 720 });
		expect([lost, again].map(({ headers }) => headers.get('Retry-After'))).toEqual(['720', '720']);
	});

	test('is encrypted to the recipients set at its start, whatever is set in the meantime', async () => {
		await fillLarge();
		const first = await step(encrypting());
		const meanwhile = { ...encrypting(), BACKUP_AGE_RECIPIENTS: other, BACKUP_COMPRESSION: 'off' };
		let { answer } = await step(meanwhile, first.answer.resume);
		while (answer.resume) ({ answer } = await step(meanwhile, answer.resume));
		const { name, files } = answer.backup ?? { name: '', files: [] };
		expect((await manifestOf(name)).encryption).toEqual({ recipients: [recipient] });
		expect(files).toEqual([`${name}.sql.gz.age`, `${name}.2.sql.gz.age`, `${name}.3.sql.gz.age`]);
		const parts = await Promise.all(
			files.map(async (file) => sqlIn(await (await download(file)).arrayBuffer(), identity)),
		);
		expect(parts.join('')).toMatch(LAST_LINE);
	});

	test('ends its lines of progress with the ticket, then with the backup', async () => {
		await fillLarge();
		const lastLine = async (body: object) => {
			const response = await post(body, {}, { Accept: 'application/x-ndjson' });
			expect(response.status).toBe(200);
			const lines = (await response.text()).trimEnd().split('\n');
			return JSON.parse(lines.at(-1) ?? '') as Answer;
		};
		let line = await lastLine({ action: 'backup' });
		const progress = { step: 1 };
		expect(line).toMatchObject({ event: 'done', success: true, retryAfter: 720, progress });
		expect(line).not.toHaveProperty('backup');
		while (line.resume) line = await lastLine({ action: 'resume', ticket: line.resume });
		expect(line).toEqual({ event: 'done', success: true, backup: expect.any(Object) });
	});

	test('needs a code for each step, and a ticket of this app; the job is unharmed', async () => {
		await fillLarge();
		const { answer } = await step({});
		const ticket = answer.resume ?? '';
		const before = await backupObjects();
		const body = { action: 'resume', ticket };
		const guarded = { DB: untouchable(), MY_BUCKET: untouchableBackups() } as Changes;
		await expectError(
			await call(POST, new Request(API, posting(body)), guarded),
			401,
			'code_missing',
		);
		const wrong = posting(body, { Authorization: 'Bearer 12345' });
		await expectError(await call(POST, new Request(API, wrong), guarded), 401, 'code_invalid');
		const [header, payload, mac] = ticket.split('.');
		const altered = btoa(atob(payload ?? '').replace('"step":2', '"step":3')).replace(/=+$/, '');
		const unsigned = `${btoa('{"alg":"none"}').replace(/=+$/, '')}.${payload}.`;
		for (const bad of ['', 'x', `${ticket}x`, `${header}.${altered}.${mac}`, unsigned]) {
			const response = await post({ action: 'resume', ticket: bad }, guarded);
			const text = await expectError(response, 403, 'ticket_invalid');
			if (bad.length > 10) expect(text).not.toContain(bad);
		}
		const foreign = { ...guarded, BACKUP_MAC_KEY: 'f'.repeat(64) };
		await expectError(await post({ action: 'resume', ticket }, foreign), 403, 'ticket_invalid');
		const replaced = {
			BACKUP_MAC_KEY_PREVIOUS: SECRET,
			BACKUP_MAC_KEY_PREVIOUS_UNTIL: '2099-01-01',
		};
		for (const previous of [replaced, { TOTP_SECRET_PREVIOUS: SECRET }]) {
			const response = await post({ action: 'resume', ticket }, { ...foreign, ...previous });
			await expectError(response, 403, 'ticket_invalid');
		}
		expect(await backupObjects()).toEqual(before);
		expect((await step({}, ticket)).status).toBe(202);
	});

	test.for([
		{ action: 'resume' },
		{ action: 'resume', ticket: 1 },
		{ action: 'resume', ticket: 'x', step: 2 },
		{ action: 'backup', ticket: 'x' },
	])('is not resumed with %j', async (body) => {
		const guarded = { DB: untouchable(), MY_BUCKET: untouchableBackups() } as Changes;
		expect((await post(body, guarded)).status).toBe(400);
	});
});
