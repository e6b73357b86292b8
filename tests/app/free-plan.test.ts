import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { BackupApi } from '../../src/cli/client/api.ts';
import { clock, runBackup, SECRET } from '../workflows/backup-run.ts';
import { cells } from '../workflows/runner.ts';
import { runLocally } from '../operator.ts';
import { type Answer, listen } from '../stand-in.ts';
import { BUDGETS } from '../../src/lib/server/backup/make/budget.ts';
import { App } from './app.ts';
import { forgetCodes } from './bucket.ts';

// The built app on the free plan's budget, with more tables than the queries that one call may make.

const TABLES = 120;
/** The plan's pause, shortened. */
const NO_PAUSE = { [BUDGETS.free.pause]: 1 };
const TICKET = /"resume":"([^"]+)"/;

let app: App;
let api: BackupApi;
/** The names of the backups before the test. */
let before: string[];

beforeAll(async () => {
	app = new App();
	fill();
	await app.start({ TOTP_SECRET: SECRET, BACKUP_PLAN: 'free' });
	api = new BackupApi(app.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
});
afterAll(() => app?.stop());
beforeEach(async () => {
	forgetCodes(app.folder);
	before = await names();
});

test('the workflow makes one backup in several steps, each with a volume', async () => {
	const run = await runBackup(app.url, {}, clock(NO_PAUSE));
	expect(run.errors).toEqual([]);
	expect(run.output).toContain('The app asks for a pause of 720 s before the next step.');
	const made = await newBackup();
	expect(made.tables).toBeGreaterThan(TABLES);
	expect(made.rows).toBeGreaterThanOrEqual(TABLES);
	expect(made.files.length).toBeGreaterThan(2);
	expect(cells(run.summary)).toMatchObject({
		Name: made.name,
		Steps: String(made.files.length),
	});
});

test('no step is repeated after a lost answer, and no second backup is left', async () => {
	const whole = await api.create({ sleep: async () => {} });
	forgetCodes(app.folder);
	before = await names();
	let steps = 0;
	await using proxy = await listen(async (request, response, body) => {
		const answer = await forward(request, body);
		if (body.includes('"resume"') && ++steps % 2 === 1) response.destroy();
		else response.writeHead(answer.status, headersOf(answer)).end(await answer.text());
	});
	const run = await runBackup(proxy.url, {}, clock({ ...NO_PAUSE, [300_000]: 1 }));
	expect(run.errors).toEqual([]);
	expect(run.output).toContain('The step failed (app_unreachable).');
	const made = await newBackup();
	expect(made.files).toHaveLength(whole.files.length);
	expect(made).toMatchObject({ tables: whole.tables, rows: whole.rows, sqlBytes: whole.sqlBytes });
});

test('a duplicated call does no harm', async () => {
	await using proxy = await listen(async (request, response, body) => {
		const isStep = body.includes('"resume"');
		const twins = [forward(request, body), ...(isStep ? [forward(request, body)] : [])];
		const [answer] = await Promise.all(twins);
		response.writeHead(answer?.status ?? 502, answer && headersOf(answer));
		response.end(await answer?.text());
	});
	const run = await runBackup(proxy.url, {}, clock({ ...NO_PAUSE, [300_000]: 1000 }));
	expect(run.errors).toEqual([]);
	expect((await newBackup()).tables).toBeGreaterThan(TABLES);
});

test('a used ticket is refused, and the backup continues', async () => {
	const used: string[] = [];
	let refused = '';
	await using proxy = await listen(async (request, response, body) => {
		const answer = await forward(request, body);
		const said = await answer.text();
		used.push(...(TICKET.exec(said)?.slice(1) ?? []));
		if (used.length === 3 && refused === '') {
			const old = JSON.stringify({ action: 'resume', ticket: used[0] });
			refused = await (await forward(request, old)).text();
		}
		response.writeHead(answer.status, headersOf(answer)).end(said);
	});
	const run = await runBackup(proxy.url, {}, clock(NO_PAUSE));
	expect(refused).toContain('"code":"ticket_spent"');
	expect(run.errors).toEqual([]);
	await newBackup();
});

function fill(): void {
	const statements: string[] = [];
	for (let table = 1; table <= TABLES; table++) {
		statements.push(`CREATE TABLE t${table} (id INTEGER PRIMARY KEY, value TEXT)`);
		statements.push(`INSERT INTO t${table} (value) VALUES ('row of ${table}')`);
	}
	runLocally(app.folder, ...statements);
}

/** Passes a call on to the app. */
function forward({ headers }: Parameters<Answer>[0], body: string): Promise<Response> {
	const { authorization = '', accept = '' } = headers;
	return fetch(`${app.url}/api/backup`, {
		method: 'POST',
		headers: { Authorization: authorization, Accept: accept, 'Content-Type': 'application/json' },
		body,
	});
}

function headersOf({ headers }: Response): Record<string, string> {
	const names = ['Content-Type', 'Retry-After'];
	return Object.fromEntries(names.map((name) => [name, headers.get(name) ?? '']));
}

async function names(): Promise<string[]> {
	return (await api.list()).map(({ name }) => name);
}

/** The one backup that the test added. */
async function newBackup() {
	const added = (await api.list()).filter(({ name }) => !before.includes(name));
	expect(added).toHaveLength(1);
	return added[0] as (typeof added)[number];
}
