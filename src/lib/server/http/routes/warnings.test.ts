import { env } from 'cloudflare:workers';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { beforeEach, expect, test } from 'vitest';
import { authorized, call, makeBackup } from '../../../../../tests/calls.ts';
import { post } from '../../../../../tests/proof-calls.ts';
import { reset } from '../../../../../tests/reset.ts';
import type { ListedBackup } from '../../backup/format/manifest.ts';
import type { Proof } from '../../backup/format/proof.ts';
import type { Entry } from '../../operations/audit-log.ts';
import { GET as getJournal } from './audit-log.ts';
import { GET, POST } from './backups.ts';

// The warnings of a backup, in every answer that is about it.

const NAME = 'süß "search" 🔍';
const UNENCRYPTED = expect.stringContaining('not encrypted, because BACKUP_AGE_RECIPIENTS');
const TEXTS = [
	expect.stringContaining('"süß ""search"" 🔍" has trigrams without their places'),
	UNENCRYPTED,
];

beforeEach(async () => {
	await reset();
	await env.DB.exec(
		`CREATE VIRTUAL TABLE "${NAME.replaceAll('"', '""')}" USING fts5 (x, content='', tokenize=trigram, detail=none)`,
	);
});

test('are in the answer and in the list, with their text', async () => {
	const backup = await makeBackup();
	expect(backup).toMatchObject({ warnings: 2, warningTexts: TEXTS });
	const listed = await call(GET, await authorized());
	const proofs = { verified: null, drilled: null };
	expect(await listed.json()).toMatchObject({ backups: [{ ...backup, ...proofs }], cursor: null });
});

test('are in the last line of progress', async () => {
	const request = await authorized({
		method: 'POST',
		headers: { Accept: 'application/x-ndjson' },
	});
	const lines = (await (await call(POST, request)).text()).trimEnd().split('\n');
	const done = JSON.parse(lines.at(-1) ?? '') as object;
	expect(done).toMatchObject({ event: 'done', backup: { warnings: 2, warningTexts: TEXTS } });
});

test('are in the answer if no backup is due', async () => {
	const backup = await makeBackup();
	const headers = { 'Content-Type': 'application/json' };
	const body = '{"action":"backup","when":"due"}';
	const response = await call(POST, await authorized({ method: 'POST', headers, body }));
	expect(await response.json()).toMatchObject({ due: false, backup });
});

test('are read from a manifest whose summary has their number alone', async () => {
	const { name } = await makeBackup();
	const key = `${name}.manifest.json`;
	const object = await env.MY_BUCKET.get(key);
	const { warningTexts, ...older } = JSON.parse(object?.customMetadata?.['summary'] ?? '');
	expect(warningTexts).toEqual(TEXTS);
	const customMetadata = { summary: JSON.stringify(older) };
	await env.MY_BUCKET.put(key, (await object?.text()) ?? '', { customMetadata });
	const listed = await call(GET, await authorized());
	const { backups } = (await listed.json()) as { backups: ListedBackup[] };
	expect(backups).toMatchObject([{ name, warnings: 2, warningTexts: TEXTS }]);
});

test.for(['verify', 'drill'])('are in the proof of a %s', async (action) => {
	const { files } = await makeBackup();
	const response = await post(files[0] ?? '', { action });
	const { proof } = (await response.json()) as { proof: Proof };
	expect(proof).toMatchObject({ proven: true, warnings: TEXTS });
});

test('are counted in the audit log', async () => {
	const { name } = await makeBackup();
	const answer = await call(getJournal, await authorized());
	const { entries } = (await answer.json()) as { entries: Entry[] };
	expect(entries).toMatchObject([{ operation: 'backup', backup: name, warnings: 2 }]);
});

test('an answer without encryption carries a warning, whether or not it is streamed', async () => {
	for (const Accept of ['*/*', 'application/x-ndjson']) {
		await reset();
		const response = await call(POST, await authorized({ method: 'POST', headers: { Accept } }));
		expect(response.headers.get('X-Backup-Warning')).toEqual(UNENCRYPTED);
	}
	const list = await call(GET, await authorized());
	expect(list.headers.get('X-Backup-Warning')).toBeNull();
});

test('an encrypted backup carries none', async () => {
	await reset();
	const recipient = await identityToRecipient(await generateX25519Identity());
	const vars = { BACKUP_AGE_RECIPIENTS: recipient };
	const response = await call(POST, await authorized({ method: 'POST' }), vars);
	expect(response.status).toBe(201);
	expect(response.headers.get('X-Backup-Warning')).toBeNull();
	expect(await response.json()).toMatchObject({ backup: { warnings: 0 } });
});
