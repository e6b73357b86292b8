import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { BackupSummary } from '../../backup/format/manifest.ts';
import { MAX_WRONG_KEYS } from '../../operations/callers.ts';
import { API, authorized, call, expectError, makeBackup } from '../../../../../tests/calls.ts';
import { breakReceiver, receivedAlerts, receiver } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import { GET as getFile } from './file.ts';
import { GET } from './backups.ts';

// Alerts about callers.

const KEY = 'a-key-of-at-least-thirty-two-characters';
const ELSEWHERE = '198.51.100.7';

let webhook: URL;
let backup: BackupSummary;

beforeEach(async () => {
	await reset();
	backup = await makeBackup();
	webhook = receiver();
});

const settings = () => ({ ALERT_WEBHOOK_URL: webhook.href });

interface Fetching {
	file?: string;
	headers?: Record<string, string>;
	method?: 'GET' | 'HEAD';
	address?: string;
}

/** Fetches the backup, or another file, and returns the status. */
async function fetchFile(options: Fetching = {}): Promise<number> {
	const { file = backup.files[0], headers = {}, method = 'GET', address = '192.0.2.1' } = options;
	const asked = await authorized({ method, headers }, `${API}/${file}`);
	asked.headers.set('cf-connecting-ip', address);
	const response = await call(getFile, asked, settings());
	await response.arrayBuffer();
	return response.status;
}

describe('a backup that is fetched', () => {
	test('from a new network sends one alert that names both', async () => {
		expect(await fetchFile()).toBe(200);
		expect(await receivedAlerts(webhook)).toMatchObject([
			{
				kind: 'backup_fetched',
				backup: backup.files[0],
				text: expect.stringMatching(/192\.0\.2\.1/),
			},
		]);
		expect(await fetchFile()).toBe(200);
		expect(await fetchFile({ headers: { Range: 'bytes=1-9' } })).toBe(206);
		expect(await receivedAlerts(webhook)).toEqual([]);
		expect(await fetchFile({ address: ELSEWHERE, headers: { Range: 'bytes=1-9' } })).toBe(206);
		const [alert] = await receivedAlerts(webhook);
		expect(alert?.['text']).toContain(ELSEWHERE);
	});

	test('sends no alert if nothing of it is', async () => {
		await fetchFile({ method: 'HEAD' });
		await fetchFile({ headers: { 'If-None-Match': '*' } });
		await fetchFile({ file: `${backup.name}.manifest.json` });
		await fetchFile({ file: 'full_backup_2020-01-01T00:00:00.000Z.sql' });
		expect(await receivedAlerts(webhook)).toEqual([]);
	});

	test('is still fetched if the alert cannot be sent or remembered', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		await breakReceiver(webhook, { status: 404 });
		expect(await fetchFile()).toBe(200);
		await env.MY_BUCKET.put('operations/fetches.json', 'junk');
		expect(await fetchFile()).toBe(200);
		vi.restoreAllMocks();
	});
});

test('many wrong API keys send one alert', async () => {
	const changes = { ...settings(), BACKUP_API_KEY: KEY };
	const guess = async (key: string | null) => {
		const asked = new Request(API, { headers: { Authorization: 'Bearer 000000' } });
		if (key !== null) asked.headers.set('X-API-Key', key);
		return call(GET, asked, changes);
	};
	for (let i = 1; i < MAX_WRONG_KEYS; i++) {
		await expectError(await guess(`${KEY}${i}`), 401, 'api_key_invalid');
		await expectError(await guess(null), 401, 'api_key_missing');
	}
	expect(await receivedAlerts(webhook)).toEqual([]);
	for (let i = 0; i < 5; i++) await expectError(await guess('x'), 401, 'api_key_invalid');
	const alerts = await receivedAlerts(webhook);
	expect(alerts).toMatchObject([{ kind: 'api_key_guessed', code: 'api_key_invalid' }]);
	expect(JSON.stringify(alerts)).not.toContain(KEY);
});
