import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { counted } from '../../../tests/counts.ts';
import { STATES } from '../../lib/server/backup/keep/check/findings.ts';
import { json, lines, listen } from '../../../tests/stand-in.ts';
import { SUMMARY } from '../../../tests/workflows/stepped-app.ts';

// Names and texts from files and servers, printed by each command: none controls the terminal, fakes a line
// or commands GitHub's runner.

const EVIL =
	'x\u001b[2J\u001b]0;t\u0007\u009b31m\r\u202e\u2066\u2028\nFORGED\n::error::FORGED\n##[error]FORGED';
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-escapes-'));
const evilSql = join(folder, 'evil.sql');
const evilPath = join(folder, `${EVIL.replaceAll('/', '')}.sql`);
const evilDb = join(folder, 'evil.db');
const quoted = `"${EVIL}"`;
beforeAll(() => {
	writeFileSync(evilSql, `CREATE TABLE ${quoted} (a); INSERT INTO ${quoted} VALUES (1);`);
	writeFileSync(evilPath, 'CREATE TABLE t (a); INSERT INTO t VALUES (1);');
	writeFileSync(
		join(folder, 'refused.sql'),
		`CREATE TABLE t (a);\nINSERT INTO ${quoted} VALUES (1);`,
	);
	using database = new DatabaseSync(evilDb);
	database.exec(`CREATE TABLE ${quoted} (a)`);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Stands for a new file. */
const NEW = 'NEW';

/** On a terminal, and in a workflow. By default each run of a program has the mode after the last one. */
const MODES = ['', 'true'];
let turn = 0;

/** Runs a program of the commands. Returns the summary for a workflow. */
async function run(program: string, args: string[], url = '', input = ''): Promise<string> {
	const GITHUB_STEP_SUMMARY = join(folder, 'summary');
	writeFileSync(GITHUB_STEP_SUMMARY, '');
	const { PATH, NODE_COMPILE_CACHE } = process.env;
	const modes = turn++ % 2 === 0 ? MODES : MODES.toReversed();
	for (const GITHUB_ACTIONS of modes.slice(0, counted(MODES.length))) {
		const files = { GITHUB_STEP_SUMMARY, GITHUB_OUTPUT: join(folder, 'output') };
		const settings = {
			TOTP_SECRET: SECRET,
			BACKUP_URL: url,
			BACKUP: EVIL,
			GITHUB_ACTIONS,
			...files,
		};
		const words = args.map((word) => (word === NEW ? join(folder, `${Math.random()}.db`) : word));
		const child = spawn(process.execPath, [`src/cli/${program}.ts`, ...words], {
			env: { PATH, NODE_COMPILE_CACHE, ...settings },
		});
		child.stdin.end(input);
		const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
		expectHarmless(`${stdout}\n${stderr}`, GITHUB_ACTIONS !== '');
	}
	const summary = readFileSync(GITHUB_STEP_SUMMARY, 'utf8');
	expect(summary.replaceAll('\n', '')).not.toMatch(OBEYED);
	return summary;
}

/** The commands for the runner that a command prints on purpose, of which nothing else begins. */
const OWN = /^::(?:(?:notice|warning|error) title=[\w ]+::|add-mask::)/;
/** What a terminal obeys, or shows in another place. */
const OBEYED = /[\p{C}\p{Zl}\p{Zp}]/u;

function expectHarmless(printed: string, inWorkflow: boolean): void {
	expect(printed).toContain('FORGED'); // the text itself is shown
	for (const line of printed.split('\n')) {
		expect(line).not.toMatch(OBEYED);
		expect(line).not.toMatch(/^FORGED/);
		if (!inWorkflow || OWN.test(line)) continue;
		expect(line).not.toMatch(/^\s*::error::FORGED/);
		expect(line).not.toContain('##[error]');
	}
}

const failing = json(500, { error: EVIL, code: 'odd', hint: EVIL });
const page: RequestListener = (_, response) => void response.writeHead(502).end(`<b>${EVIL}</b>`);
const warned = { warnings: 1, warningTexts: [EVIL] };

describe('restore', () => {
	const to = ['--to', NEW];
	test.for<[string, string[]]>([
		['the names of tables', [evilSql, ...to]],
		['the names of tables in JSON', [evilSql, ...to, '--json']],
		['the names of tables, beforehand', [evilSql, ...to, '--dry-run']],
		['the names of tables in the target', [evilSql, '--to', evilDb]],
		['the names of tables in the target, beforehand', [evilSql, '--to', evilDb, '--dry-run']],
		['the name of the file', [evilPath, ...to]],
		['the name of a missing file', [`${evilPath}.gz`, ...to]],
		['the name of a table that is wanted', [evilSql, ...to, '--tables', `${EVIL},y`]],
		['the name of the target', [evilSql, '--to', EVIL]],
		['what SQLite refuses', [join(folder, 'refused.sql'), ...to]],
		['more words', [evilSql, EVIL, ...to]],
	])('prints %s', async ([, words]) => {
		await run('commands/restore', words);
	});

	test.for([
		['the error of a server', failing],
		['the page of a server', page],
	] as const)('prints %s', async ([, answer]) => {
		await using app = await listen(answer);
		await run('commands/restore', ['latest', ...to, '--from', app.url]);
	});
});

describe('drill', () => {
	test('prints the names in a file', async () => {
		await run('commands/drill', ['--file', evilPath]);
	});

	test('prints the warnings of a server, and its dates', async () => {
		const drilled = { at: EVIL, proven: true, scope: 'contents' };
		await using app = await listen(json(200, { backups: [{ ...SUMMARY, ...warned, drilled }] }));
		const words = ['latest', '--unless-drilled'];
		await run('commands/drill', words, app.url);
		await run('commands/drill', [...words, '--json'], app.url);
	});

	test('prints the error of a server', async () => {
		await using app = await listen(failing);
		await run('commands/drill', ['latest'], app.url);
	});
});

test('journal prints the error of a server', async () => {
	await using app = await listen(failing);
	await run('commands/journal', [], app.url);
});

describe('retention', () => {
	test('prune prints names, reasons and notes', async () => {
		const backup = {
			...{ name: EVIL, kind: EVIL, reasons: [{ code: 'daily', text: EVIL }], action: 'wait' },
			...{ pin: { at: EVIL, note: EVIL }, mark: { at: EVIL, removableAt: EVIL, by: EVIL } },
		};
		const pruned = { blocked: { text: EVIL }, backups: [backup], removed: [], leftovers: [EVIL] };
		await using app = await listen(json(200, pruned));
		await run('commands/prune', [], app.url);
		await run('commands/prune', ['--json'], app.url);
	});

	test('check prints keys and sentences', async () => {
		const totals = Object.fromEntries(STATES.map((state) => [state, { objects: 1, bytes: 1 }]));
		const objects = [{ key: EVIL, state: 'missing', backup: EVIL, text: EVIL }];
		await using app = await listen(json(200, { totals, objects, cursor: null, database: EVIL }));
		await run('commands/check', [], app.url);
		await run('commands/check', ['--json'], app.url);
	});

	test('delete prints the error of a server', async () => {
		await using app = await listen(failing);
		await run('commands/delete', [SUMMARY.name], app.url);
	});
});

test('doctor prints the name of a database', async () => {
	await run('commands/doctor', [EVIL]);
	await run('commands/doctor', [`local:${folder}/${EVIL}`, '--json']);
});

describe('backup', () => {
	test.for<[string, RequestListener]>([
		['the error of a server', failing],
		['the page of a server', page],
		['warnings', json(201, { success: true, backup: { ...SUMMARY, ...warned } })],
		['the name of a backup', json(201, { success: true, backup: { ...SUMMARY, name: EVIL } })],
		[
			'progress, and how consistent a backup is',
			lines(
				200,
				{ event: 'rows', table: EVIL, rows: 1, bytes: 1 },
				{
					event: 'done',
					success: true,
					backup: { ...SUMMARY, consistency: 'staged', waitedMs: EVIL, startedAt: EVIL },
				},
			),
		],
		[
			'that none is due',
			json(200, { success: true, due: false, backup: { ...SUMMARY, name: EVIL, startedAt: EVIL } }),
		],
	])('prints %s', async ([, answer]) => {
		await using app = await listen(answer);
		await run('commands/backup', [], app.url);
	});
});

test.for<[string, object]>([
	['differences', { proven: false, differences: [EVIL], tables: 1, rows: 1, bytes: 1 }],
	['warnings', { proven: true, differences: [], warnings: [EVIL], tables: 1, rows: 1, bytes: 1 }],
	['an error', { error: EVIL, code: 'odd', hint: EVIL, details: [EVIL] }],
])('the report of a drill prints %s', async ([, result]) => {
	const summary = await run('workflow/drill-report', [], '', JSON.stringify(result));
	const rows = summary.trimEnd().split('\n');
	expect(rows.length).toBeGreaterThan(2);
	for (const row of rows) expect(row).toMatch(/^\|( ([^|\\]|\\.)* \|){2}$/);
});
