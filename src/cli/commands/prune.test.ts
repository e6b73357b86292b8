import { tmpdir } from 'node:os';
import { describe, test } from 'vitest';
import { type Command, operate } from '../../../tests/operator.ts';
import { type Answer, json, listen, type Request } from '../../../tests/stand-in.ts';
import type { PlannedBackup } from '../../lib/server/backup/keep/outlook.ts';
import type { Pruned } from '../../lib/server/backup/keep/prune.ts';

// What the commands of retention ask of the app, and what they print of its answers.

const TOTP_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const [NEW, PINNED, OLD] = [
	'full_backup_2026-11-26T12:00:00.000Z',
	'incremental_backup_2026-11-02T12:00:00.000Z',
	'full_backup_2026-11-01T12:00:00.000Z',
] as const;
const MARK: NonNullable<PlannedBackup['mark']> = {
	...{ at: '2026-11-20T05:06:07.000Z', removableAt: '2026-11-27T05:06:07.000Z' },
	by: 'request',
	...{ locked: false, removing: false },
};

/** Runs a command against a stand-in for the app that gives the same answer to each call. */
async function run(answer: Answer, command: Command, ...args: string[]) {
	const requests: Request[] = [];
	await using app = await listen(answer, requests);
	const env = { TOTP_SECRET, BACKUP_URL: app.url };
	const ended = await operate(tmpdir(), command, args, { env });
	const calls = requests.map(({ method, url = '', body }) => {
		const call = `${method} ${url.replace('/api/backup', '')}`.trim();
		return body === '' ? [call] : [call, JSON.parse(body) as unknown];
	});
	return { ...ended, calls };
}

const nothing = json(500, {});

function planned(name: string, changes: Partial<PlannedBackup>): PlannedBackup {
	return {
		...{ name, kind: name.startsWith('full') ? 'full' : 'incremental', parent: null },
		...{ startedAt: name.slice(-24), bytes: 1, signed: true, damaged: false },
		...{ keep: true, reasons: [], pin: null, mark: null, action: 'keep' },
		...changes,
	};
}

const PLAN: Pruned = {
	...{ blocked: null, marked: [], unmarked: [], removed: [], locked: [], later: 0 },
	leftovers: ['full_backup_2026-10-01T12:00:00.000Z'],
	backups: [
		planned(NEW, { reasons: [{ code: 'last', text: 'last 1 of 1' }], damaged: true }),
		planned(PINNED, {
			reasons: [
				{ code: 'young', text: 'younger than 30 days' },
				{ code: 'pinned', text: 'pinned' },
			],
			pin: { at: '2026-11-20T00:00:00.000Z', note: 'before 2.0' },
		}),
		planned(OLD, {
			...{ keep: false, action: 'remove', mark: MARK },
			reasons: [{ code: 'no_rule', text: 'no rule keeps it' }],
		}),
	],
};

/** The cells of the lines of a table. */
const cellsOf = (text: string) => text.split('\n').map((line) => line.trim().split(/ {2,}/));

describe.concurrent('prune', () => {
	test('is a dry run, and prints each backup with its reasons', async ({ expect }) => {
		const { code, stdout, stderr, calls } = await run(json(200, PLAN), 'prune');
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		expect(calls).toEqual([['POST', { action: 'prune', dryRun: true }]]);
		const [sentence, leftovers, , ...table] = stdout.trim().split('\n');
		expect(sentence).toBe('Dry run. Of 3 backups would be: 1 removed. --apply does it.');
		expect(leftovers).toMatch(/would be removed: full_backup_2026-10-01T12:00:00\.000Z\.$/);
		const [heads, , ...rows] = cellsOf(table.join('\n'));
		expect([heads, ...rows]).toEqual([
			['backup', 'kind', 'result', 'reasons', 'mark'],
			[NEW, 'full', 'kept, damaged', 'last 1 of 1'],
			[PINNED, 'differential', 'kept', 'younger than 30 days; pinned: before 2.0'],
			[
				...[OLD, 'full', 'to be removed', 'no rule keeps it'],
				'requested 2026-11-20 05:06, may go from 2026-11-27 05:06 UTC',
			],
		]);
	});

	test('--apply does it, and says what was done and what was not', async ({ expect }) => {
		const [kept, pinned, old] = PLAN.backups as [PlannedBackup, PlannedBackup, PlannedBackup];
		const locked = { ...old, name: PINNED, result: 'locked', mark: { ...MARK, locked: true } };
		const backups = [kept, { ...pinned, action: 'mark', result: 'later' }, locked, old];
		const done = { ...PLAN, backups, removed: [OLD], locked: [PINNED], later: 1, leftovers: [] };
		const { code, stdout, calls } = await run(json(200, done), 'prune', '--apply');
		expect([code, calls]).toEqual([0, [['POST', { action: 'prune', dryRun: false }]]]);
		expect(stdout.split('\n')[0]).toBe(
			'Of 4 backups: 1 removed, 1 kept by a lock rule, 1 left to later runs.',
		);
		expect(cellsOf(stdout).map(([, , result]) => result)).toEqual(
			expect.arrayContaining(['kept, damaged', 'later', 'locked', 'removed']),
		);
		expect(stdout).toContain('requested 2026-11-20 05:06, kept by a lock rule\n');
	});

	test('says why nothing may be removed', async ({ expect }) => {
		const blocked = { code: 'no_policy', text: 'no policy is set' };
		const plan = { ...PLAN, blocked, backups: PLAN.backups.slice(0, 1), leftovers: [] };
		const { stdout } = await run(json(200, plan), 'prune');
		expect(stdout).toMatch(
			/^Nothing to do: 1 backup\. Nothing may be removed now: no policy is set\.\n/,
		);
		const empty = await run(json(200, { ...plan, backups: [] }), 'prune');
		expect(empty.stdout).toBe('There are no backups.\n');
	});

	test('--all asks for each database, and prints JSON lines', async ({ expect }) => {
		const names = { backups: [], cursor: null, databases: ['shop', 'stats'] };
		const answer: Answer = (request, response) =>
			json(200, request.method === 'GET' ? names : PLAN)(request, response);
		const { stdout, calls } = await run(answer, 'prune', '--all', '--json');
		expect(calls.map(([call]) => call)).toEqual([
			'GET',
			'POST ?database=shop',
			'POST ?database=stats',
		]);
		const printed = stdout.trim().split('\n');
		expect(printed.map((line) => JSON.parse(line) as unknown)).toEqual([
			{ database: 'shop', ...PLAN },
			{ database: 'stats', ...PLAN },
		]);
	});
});

describe.concurrent('pin', () => {
	const pin = { at: '2026-11-27T00:00:00.000Z', note: 'before 2.0' };

	test('pins the newest backup with a note', async ({ expect }) => {
		const list = { backups: [{ name: NEW }, { name: OLD }], cursor: null };
		const answer: Answer = (request, response) =>
			json(200, request.method === 'GET' ? list : { pin })(request, response);
		const { code, stdout, calls } = await run(answer, 'pin', 'latest', '--note', 'before 2.0');
		expect([code, stdout]).toEqual([0, `${NEW} is pinned.\n`]);
		expect(calls).toEqual([
			['GET'],
			[`POST /${NEW}.manifest.json`, { action: 'pin', note: 'before 2.0' }],
		]);
	});

	test('--undo takes the pin back, by the name of a file too', async ({ expect }) => {
		const answer = json(200, { pin: null });
		const { code, stdout, calls } = await run(answer, 'pin', `${OLD}.sql.gz`, '--undo');
		expect([code, stdout]).toEqual([0, `${OLD} is not pinned any more.\n`]);
		expect(calls).toEqual([[`POST /${OLD}.manifest.json`, { action: 'unpin' }]]);
	});

	test('has nothing to pin where there is no backup', async ({ expect }) => {
		const { code, stderr, calls } = await run(json(200, { backups: [] }), 'pin', 'latest');
		expect([code, calls]).toEqual([2, [['GET']]]);
		expect(stderr).toMatch(/no backup/);
	});
});

describe.concurrent('delete', () => {
	test('marks a backup of a database, and says until when it stays', async ({ expect }) => {
		const args = [OLD, '--database', 'shop'];
		const { code, stdout, calls } = await run(json(202, { mark: MARK }), 'delete', ...args);
		expect([code, stdout]).toEqual([
			0,
			`${OLD} is marked. It may go from 2026-11-27 05:06 UTC on.\n`,
		]);
		expect(calls).toEqual([[`DELETE /${OLD}.manifest.json?database=shop`]]);
	});

	test('--undo withdraws the mark', async ({ expect }) => {
		const answer = json(200, { mark: null });
		const { code, stdout, calls } = await run(answer, 'delete', OLD, '--undo', '--json');
		expect([code, JSON.parse(stdout)]).toEqual([0, { backup: OLD, mark: null }]);
		expect(calls).toEqual([[`POST /${OLD}.manifest.json`, { action: 'unmark' }]]);
	});

	test('prints a refusal with its hint', async ({ expect }) => {
		const refusal = { error: 'It is pinned.', code: 'backup_kept', hint: 'Unpin it first.' };
		const refused = await run(json(409, refusal), 'delete', OLD);
		const { code, stdout, stderr, calls } = refused;
		expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
		expect(stderr).toBe('It is pinned. Unpin it first.\n');
		expect(calls).toHaveLength(1);
	});
});

test.concurrent.for([
	['prune', NEW],
	['prune', '--all', '--database', 'shop'],
	['prune', '--what'],
	['pin', 'newest'],
	['pin', NEW, '--undo', '--note', 'x'],
	['delete', 'latest'],
	['delete', NEW, OLD],
] as const)('%s %s is refused before any call', async ([command, ...args], { expect }) => {
	const { code, stdout, stderr, calls } = await run(nothing, command, ...args);
	expect({ code, stdout, calls }).toEqual({ code: 2, stdout: '', calls: [] });
	expect(stderr).toContain(`npm run ${command} -- --help`);
});

test.concurrent.for([
	['prune', '--apply'],
	['pin', '--note TEXT'],
	['delete', 'seven days'],
] as const)('%s --help explains', async ([command, part], { expect }) => {
	const { code, stdout, calls } = await run(nothing, command, '--help');
	expect([code, calls]).toEqual([0, []]);
	expect(stdout).toContain(`Usage: npm run ${command}`);
	expect(stdout).toContain(part);
});
