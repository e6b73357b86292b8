import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dumpOf, type Ended, operate, sqlite3 } from '../../../tests/operator.ts';
import { titled, writeSigned } from '../../../tests/signed-backup.ts';
import { type Answer, json, lines, listen, type Request } from '../../../tests/stand-in.ts';
import { SUMMARY as WITHOUT_SQL } from '../../../tests/workflows/stepped-app.ts';

// The commands and an app with several databases.

const SUMMARY = { ...WITHOUT_SQL, sqlBytes: 987_654 };
const TOTP_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const FAILED = {
	database: 'stats',
	error: 'The database refused a query.',
	code: 'database_error',
	hint: 'Look at the log.',
};

let folder: string;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-databases-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command against a stand-in. Also returns the requested addresses and the bodies. */
async function runAgainst(
	answer: Answer,
	command: Parameters<typeof operate>[1],
	...args: string[]
): Promise<Ended & { urls: unknown[]; bodies: string[] }> {
	const requests: Request[] = [];
	await using app = await listen(answer, requests);
	const env = { TOTP_SECRET, BACKUP_URL: app.url };
	const ended = await operate(folder, command, args, { env });
	return {
		...ended,
		urls: requests.map(({ url }) => url),
		bodies: requests.map(({ body }) => body),
	};
}

/** Gives these answers one after the other. */
function inTurn(...answers: Answer[]): Answer {
	return (request, response, body) => answers.shift()?.(request, response, body);
}

const STEP = lines(
	200,
	{ event: 'step', database: 'shop', name: SUMMARY.name, step: 1 },
	{
		...{ event: 'done', success: true, resume: 'ticket', step: 1 },
		databases: { done: 1, failed: 0, total: 3 },
		done: [{ database: 'shop', backup: SUMMARY }],
	},
);
const LOGS = { database: 'logs', due: false, backup: SUMMARY };

describe('backup --all', () => {
	test('backs up all in one run, and prints a table', async () => {
		const end = {
			...{ event: 'done', success: true, databases: { done: 3, failed: 0, total: 3 } },
			done: [{ database: 'stats', backup: { ...SUMMARY, rows: 77_777 } }, LOGS],
		};
		const { code, stdout, urls, bodies } = await runAgainst(
			inTurn(STEP, lines(200, end)),
			...(['backup', '--all', '--due'] as const),
		);
		expect(code).toBe(0);
		expect(urls).toEqual(['/api/backup?database=*', '/api/backup?database=*']);
		expect(bodies.map((body) => JSON.parse(body) as unknown)).toEqual([
			{ action: 'backup', when: 'due' },
			{ action: 'resume', ticket: 'ticket' },
		]);
		expect(stdout).toContain('Step 1 done: 1 of 3 databases');
		const table = stdout.split('\n');
		expect(table.find((line) => line.startsWith('database'))).toMatch(
			/^database +result +rows +bytes of SQL +seconds$/,
		);
		expect(table.find((line) => line.startsWith('stats'))).toMatch(
			/full_backup_.* 77,777 +987,654 +62\.3$/,
		);
		expect(table.find((line) => line.startsWith('logs'))).toMatch(/none is due$/);
	});

	test('ends with 1 if one failed, and shows the others', async () => {
		const end = {
			...{ event: 'error', error: 'The backups of 1 of 3 databases failed: stats.' },
			...{ code: 'databases_failed', hint: 'Look.' },
			databases: { done: 2, failed: 1, total: 3 },
			done: [FAILED, LOGS],
		};
		const { code, stdout, stderr } = await runAgainst(
			inTurn(STEP, lines(200, end)),
			...(['backup', '--all'] as const),
		);
		expect(code).toBe(1);
		expect(stdout).toMatch(/^shop +full_backup_/m);
		expect(stdout).toMatch(/^stats +failed \(database_error\)/m);
		expect(stderr).toContain('The backups of 1 of 3 databases failed: stats. (databases_failed)');
	});

	test('is the backup of the only database of an app', async () => {
		const answer = lines(200, { event: 'done', success: true, backup: SUMMARY });
		const { code, stdout } = await runAgainst(answer, 'backup', '--all');
		expect([code, stdout]).toEqual([0, `Backup made: ${SUMMARY.name}\n`]);
	});

	test('is not for one database', async () => {
		const { code, stderr } = await runAgainst(json(500, {}), 'backup', '--all', '--database=a');
		expect([code, stderr]).toEqual([1, expect.stringContaining('Either --all or --database')]);
	});
});

describe('--database', () => {
	test('names the database in every call of a backup', async () => {
		const answer = lines(200, { event: 'done', success: true, backup: SUMMARY });
		const { code, urls } = await runAgainst(answer, 'backup', '--database', 'stats');
		expect([code, urls]).toEqual([0, ['/api/backup?database=stats']]);
	});

	test('names it in every call of a drill', async () => {
		const { urls } = await runAgainst(
			json(200, { backups: [SUMMARY] }),
			...(['drill', 'latest', '--database', 'stats'] as const),
		);
		expect(urls).toEqual([
			'/api/backup?database=stats',
			`/api/backup/${SUMMARY.name}.manifest.json?database=stats`,
		]);
	});

	test('shows what the audit log has of it, and in which database calls were made', async () => {
		const entry = { operation: 'backup', outcome: 'done', caller: { kind: 'code', address: '' } };
		const entries = [
			{ ...entry, time: '2026-11-24T04:43:09.120Z', database: 'stats' },
			{ ...entry, time: '2026-11-23T04:43:09.120Z', database: 'shop' },
			{ ...entry, time: '2026-11-22T04:43:09.120Z' },
		];
		const answer = json(200, { entries, before: null });
		const all = await runAgainst(answer, 'journal');
		expect(all.stdout).toMatch(/^database +time/);
		expect(all.stdout.trim().split('\n')).toHaveLength(5);
		const one = await runAgainst(answer, 'journal', '--database', 'stats');
		expect(one.stdout).toMatch(/^stats +2026-11-24/m);
		expect(one.stdout.trim().split('\n')).toHaveLength(3);
		const none = await runAgainst(answer, 'journal', '--database', 'other');
		expect(none.stdout).toBe('The audit log has no entry about other.\n');
	});
});

describe('drill --all', () => {
	const drilled = { at: '2026-11-23T05:07:02.871Z', proven: true, scope: 'contents' };

	test('drills the newest backup of each database', async () => {
		const databases = ['shop', 'stats'];
		const { code, stdout, urls } = await runAgainst(
			json(200, { backups: [{ ...SUMMARY, drilled }], databases }),
			...(['drill', 'latest', '--all', '--unless-drilled'] as const),
		);
		expect(code).toBe(0);
		expect(urls).toEqual(['', '?database=shop', '?database=stats'].map((q) => `/api/backup${q}`));
		expect(stdout).toMatch(/Database shop\nNothing to do.*\n\nDatabase stats\nNothing to do/);
	});

	test('goes on after one that could not be drilled', async () => {
		const answer: Answer = (request, response, body) => {
			const isStats = request.url?.includes('stats');
			const backups = isStats ? [{ ...SUMMARY, drilled }] : [];
			json(200, { backups, databases: ['shop', 'stats'] })(request, response);
			void body;
		};
		const { code, stdout, stderr } = await runAgainst(
			answer,
			...(['drill', 'latest', '--all', '--unless-drilled'] as const),
		);
		expect(code).toBe(2);
		expect(stderr).toContain('The app has no backup yet.');
		expect(stdout).toMatch(/Database stats\nNothing to do/);
	});

	test.for([['--json'], ['--database', 'shop']])('is refused with %j', async (more) => {
		const { code } = await runAgainst(json(200, {}), 'drill', 'latest', '--all', ...more);
		expect(code).toBe(2);
	});
});

describe('a restore', () => {
	let own: string;

	/** A folder with a configuration of wrangler. */
	beforeEach(() => {
		own = mkdtempSync(join(folder, 'project-'));
		symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(own, 'node_modules'));
	});

	const configure = (name: string, text: string) => writeFileSync(join(own, name), text);
	const binding = (name: string, id: string) => ({
		...{ binding: name, database_name: name.toLowerCase(), database_id: id },
	});

	/** Restores a file with one row into the embedded database, and returns where the row then is. */
	async function restore(...more: string[]): Promise<Ended> {
		mkdirSync(join(own, 'sql'), { recursive: true });
		writeFileSync(join(own, 'sql/file.sql'), 'CREATE TABLE t (x); INSERT INTO t VALUES (1);');
		const args = ['sql/file.sql', '--to', 'local', '--json', ...more];
		return operate(own, 'restore', args, { env: { TOTP_SECRET } });
	}

	test.for<[string, string]>([
		[
			'wrangler.toml',
			'[[d1_databases]]\nbinding = "STATS"\ndatabase_name = "s"\ndatabase_id = "x"\n',
		],
		[
			'wrangler.json',
			JSON.stringify({ d1_databases: [binding('STATS', 'x'), binding('DRILL_DB', 'y')] }),
		],
		['wrangler.jsonc', `// ours\n${JSON.stringify({ d1_databases: [binding('STATS', 'x')] })}`],
	])('finds the only database in %s', async ([name, text]) => {
		configure(name, text);
		const { code, stdout } = await restore();
		expect([code, JSON.parse(stdout)]).toMatchObject([0, { tables: [{ name: 't', rows: 1 }] }]);
	});

	test('asks which of several, and takes --binding', async () => {
		const d1_databases = [binding('ORDERS', 'x'), binding('STATS', 'y')];
		configure('wrangler.json', JSON.stringify({ d1_databases }));
		const unclear = await restore();
		expect([unclear.code, JSON.parse(unclear.stdout)]).toMatchObject([
			2,
			{ code: 'db_binding_unclear', hint: expect.stringContaining('ORDERS, STATS') },
		]);
		expect((await restore('--binding', 'STATS')).code).toBe(0);
		expect((await restore('--binding', 'ORDERS')).code).toBe(0); // which is still empty
		const again = await restore('--binding', 'STATS');
		expect(JSON.parse(again.stdout)).toMatchObject({ code: 'target_not_empty' });
		const none = await restore('--binding', 'OTHER');
		expect(JSON.parse(none.stdout)).toMatchObject({ code: 'db_binding_missing' });
	});

	test('refuses a backup of another database than --database', async () => {
		const sql = titled(await dumpOf(join(own, 'dump'), 'CREATE TABLE t (x)'));
		const file = await writeSigned(own, sql, TOTP_SECRET);
		const target = join(own, 'restored.db');
		const args = (name: string) => [file, '--to', target, '--database', name, '--json'];
		const env = { BACKUP_MAC_KEY: TOTP_SECRET };
		// A manifest from before databases had names is one of any.
		expect((await operate(own, 'restore', args('stats'), { env })).code).toBe(0);
		expect(sqlite3(target, 'SELECT name FROM sqlite_schema')).toBe('t');
		rmSync(target);
		await writeSigned(own, sql, TOTP_SECRET, 'shop');
		const refused = await operate(own, 'restore', args('stats'), { env });
		expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
			2,
			{ code: 'other_database' },
		]);
		expect((await operate(own, 'restore', args('shop'), { env })).code).toBe(0);
	});
});
