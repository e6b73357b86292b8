import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { type Answer, json, listen, type Request } from '../../../tests/stand-in.ts';

const SCRIPT = join(import.meta.dirname, 'journal.ts');
const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

const BACKUP = {
	time: '2026-11-24T04:43:09.120Z',
	operation: 'backup',
	outcome: 'done',
	status: 201,
	durationMs: 3421,
	backup: 'full_backup_2026-11-24T04:43:05.700Z',
	rows: 5851,
	bytes: 1_335_009,
	caller: { kind: 'code', address: '192.0.2.7' },
};
const GUESS = {
	time: '2026-11-24T03:00:00.000Z',
	operation: 'list',
	outcome: 'refused',
	code: 'code_invalid',
	status: 401,
	durationMs: 12,
	caller: { kind: 'stranger', address: '2001:db8::1' },
};
const FAILED = { ...GUESS, operation: 'backup', outcome: 'failed', code: 'snapshot_unstable' };

const LIFT = {
	time: '2026-11-24T04:00:00.000Z',
	operation: 'lift_lock',
	outcome: 'done',
	caller: { kind: 'administrator', account: '583231', address: '192.0.2.8' },
};

type Entry = typeof BACKUP | typeof GUESS | typeof LIFT;

/** Runs the command against an app with these audit log entries, newest first. */
async function journal(entries: Entry[], ...args: string[]) {
	const requests: Request[] = [];
	await using app = await listen(journalOf(entries), requests);
	const { code, stdout, stderr } = await run(['--from', app.url, ...args]);
	return { code, stdout, stderr, requests, queries: requests.map(queryOf) };
}

/** Answers as the app does: a page of entries, and the cursor of the next one. */
function journalOf(entries: Entry[]): Answer {
	return (request, response) => {
		const query = new URL(request.url ?? '', 'http://app').searchParams;
		const start = Number(query.get('before') ?? 0);
		const end = start + Number(query.get('limit'));
		const before = end < entries.length ? String(end) : null;
		json(200, { entries: entries.slice(start, end), before })(request, response);
	};
}

async function run(args: string[]) {
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	const env = { PATH, NODE_COMPILE_CACHE, TOTP_SECRET: SECRET };
	const child = spawn(process.execPath, [SCRIPT, ...args], { cwd: tmpdir(), env });
	const [stdout, stderr, [code]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, 'close') as Promise<[number]>,
	]);
	return { code, stdout, stderr };
}

const queryOf = ({ url = '' }: Request) => url.replace('/api/backup/journal?', '');

describe('npm run journal', () => {
	test('prints a table, newest first, and calls with a long code', async () => {
		const previous = { ...BACKUP, previousSecret: true };
		const { code, stdout, stderr, requests, queries } = await journal([BACKUP, GUESS, previous]);
		expect({ code, stderr, queries }).toEqual({ code: 0, stderr: '', queries: ['limit=50'] });
		expect(requests).toMatchObject([
			{ method: 'GET', headers: { authorization: expect.stringMatching(/^Bearer [\w-]{32}$/) } },
		]);
		const rows = stdout.trim().split('\n');
		const cells = rows.map((row) => row.split(/ {2,}/));
		expect(cells[0]).toEqual([
			'time',
			'operation',
			'outcome',
			'code',
			'backup',
			'rows',
			'size',
			'took',
			'who',
		]);
		expect(cells.slice(2)).toEqual([
			[
				...[BACKUP.time, 'backup', 'done', BACKUP.backup],
				...['5,851', '1.3 MB', '3.4 s', 'code 192.0.2.7'],
			],
			[GUESS.time, 'list', 'refused', 'code_invalid', '0.0 s', 'stranger 2001:db8::1'],
			expect.arrayContaining(['code of the previous secret 192.0.2.7']),
		]);
	});

	test('names the administrator who lifted a lockout', async () => {
		const { stdout } = await journal([LIFT]);
		expect(stdout).toMatch(/ {2}lift_lock {2}.* administrator 583231 192\.0\.2\.8\n$/);
	});

	test('requests as many pages as it needs', async () => {
		const entries = Array.from({ length: 1200 }, (_, i) => ({ ...BACKUP, rows: i }));
		const { stdout, queries } = await journal(entries, '--limit', '1100', '--json');
		expect(queries).toEqual(['limit=500', 'limit=500&before=500', 'limit=100&before=1000']);
		const shown = stdout.trim().split('\n');
		expect(shown).toHaveLength(1100);
		expect(JSON.parse(shown[1099] ?? '')).toEqual(entries[1099]);
	});

	test('stops at the end of the audit log', async () => {
		const { stdout, queries } = await journal([BACKUP, GUESS], '--limit', '300', '--json');
		expect(stdout.trim().split('\n')).toHaveLength(2);
		expect(queries).toEqual(['limit=300']);
	});

	test('gives up on an audit log without an end', async () => {
		const requests: Request[] = [];
		await using app = await listen(json(200, { entries: [BACKUP], before: '1' }), requests);
		const { code, stdout } = await run(['--from', app.url, '--refused']);
		expect({ code, stdout }).toEqual({ code: 0, stdout: 'No call was refused or failed.\n' });
		expect(requests).toHaveLength(2000);
	});

	test('--refused finds what went wrong, however far back', async () => {
		const entries = [GUESS, ...Array<Entry>(1200).fill(BACKUP), FAILED, GUESS];
		const { stdout } = await journal(entries, '--refused', '--limit', '2', '--json');
		const found = stdout
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line) as Entry);
		expect(found).toEqual([GUESS, FAILED]);
	});

	test.for([
		[[], 'The audit log is empty.\n'],
		[['--refused'], 'No call was refused or failed.\n'],
		[['--json'], ''],
	] as const)('with nothing to show, %j prints %j', async ([args, expected]) => {
		const entries = (args as readonly string[]).includes('--refused') ? [BACKUP] : [];
		expect(await journal(entries, ...args)).toMatchObject({ code: 0, stdout: expected });
	});

	test.for([[], ['--json']])('no entry can control the terminal: %j', async (args) => {
		const evil = '\u001b]0;x\u0007\r\n\u009b31m\u202e\u2028\u{e0041}ok';
		const entry = {
			...{ ...BACKUP, operation: evil, outcome: evil, code: evil, backup: evil, time: evil },
			caller: { kind: evil, address: evil },
		};
		const { code, stdout } = await journal([entry], ...args);
		expect(code).toBe(0);
		expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
		expect(stdout.split('\n')).toHaveLength(args.length === 0 ? 4 : 2);
		expect(stdout).toContain('ok');
		if (args.length > 0) expect(JSON.parse(stdout)).toEqual(entry);
	});

	test.for([['--limit', '0'], ['--limit', '-1'], ['--limit', 'x'], ['more'], ['--what']])(
		'%j is refused before any call',
		async (args) => {
			const { code, stderr, requests } = await journal([], ...args);
			expect(code).toBe(2);
			expect(stderr).toContain('npm run journal -- --help');
			expect(requests).toEqual([]);
		},
	);

	test('shows an error from the app', async () => {
		const refusal = { error: 'No.', code: 'access_locked', hint: 'Wait.' };
		await using app = await listen(json(429, refusal, { 'Retry-After': '9' }));
		expect(await run(['--from', app.url])).toEqual({ code: 2, stdout: '', stderr: 'No. Wait.\n' });
		const { stdout } = await run(['--from', app.url, '--json']);
		expect(JSON.parse(stdout)).toEqual(refusal);
	});

	test('--help explains', async () => {
		expect((await run(['--help'])).stdout).toContain('--refused');
	});
});
