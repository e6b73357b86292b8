import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backupCall } from '../src/cli/client/backup-call.ts';
import { connect } from '../src/cli/client/call.ts';
import { type Answer, type Body, makeBackup } from '../src/cli/client/make-backup.ts';
import { openDatabase } from '../src/cli/demo/database.ts';
import { loadSample } from '../src/cli/demo/sample.ts';
import { migrate } from '../src/cli/embedded/server.ts';
import { formatTable } from '../src/cli/terminal/text.ts';
import type { BackupSummary } from '../src/lib/server/backup/format/manifest.ts';
import { RECIPIENT, SECRET } from './dump/lifeboat.ts';
import { profileWorker } from './inspector.ts';
import { type DumpJob, emptyBucket, stateFolder } from './jobs.ts';
import { serve, type Server } from './server.ts';

// Backups within the limits of the free plan, to their end. The pauses are counted, not waited for.

const WORKER = fileURLToPath(new URL('free-plan', import.meta.url));

/** Alerts and pings take subrequests too. */
const RECEIVERS = {
	ALERT_WEBHOOK_URL: 'https://receiver.example/alerts',
	HEALTHCHECK_PING_URL: 'https://receiver.example/ping',
};
/** Small tables of a database that needs more queries than one call has. */
const TABLES = 300;

/** How a backup is stored and read. */
interface Mode {
	name: string;
	vars: Record<string, string>;
	staged?: boolean;
}

const PLAIN = { BACKUP_COMPRESSION: 'off' };
const ENCRYPTED = { BACKUP_AGE_RECIPIENTS: RECIPIENT };
const STAGING = { BACKUP_STAGE_MAX_MB: '1000' };
const MODES: Mode[] = [
	{ name: 'plain', vars: PLAIN },
	{ name: 'compressed', vars: {} },
	{ name: 'encrypted', vars: ENCRYPTED },
	{ name: 'compressed, staged', vars: STAGING, staged: true },
	{ name: 'encrypted, staged', vars: { ...ENCRYPTED, ...STAGING }, staged: true },
];

/** What one call used. */
interface Use {
	cpuMs: number;
	seconds: number;
	queries: number;
	subrequests: number;
	rowsRead: number;
	rowsWritten: number;
}

interface Made {
	calls: Use[];
	pausedMs: number;
	backup: BackupSummary;
}

const HEADS = [
	'database',
	'MB of SQL',
	'mode',
	'calls',
	'minutes',
	'CPU ms, first',
	'median',
	'most',
	'queries, most',
	'subrequests',
	'rows read',
	'written',
];

/** Backs up a database in each mode and prints what each took. */
export async function benchFreePlan(job: Pick<DumpJob, 'project'>, name: string): Promise<void> {
	const rows: (string | number)[][] = [];
	for (const mode of MODES) {
		const made = await backUp(job.project, mode);
		rows.push(rowOf(name, mode, made));
		console.log(rows.at(-1)?.join('  '));
	}
	console.log(`\n${formatTable(HEADS, rows).join('\n')}\n`);
}

/** Sets up a folder as a wrangler project with the demo's database. */
export async function prepareDemo(project: string): Promise<{ project: string }> {
	copyFileSync('wrangler.toml', join(project, 'wrangler.toml'));
	await migrate(stateFolder(project));
	await using opened = await openDatabase(stateFolder(project));
	await loadSample(opened.database);
	return { project };
}

/** Sets up a folder as a wrangler project with a database of many small tables. */
export async function prepareTables(project: string): Promise<{ project: string }> {
	copyFileSync('wrangler.toml', join(project, 'wrangler.toml'));
	await migrate(stateFolder(project));
	await using opened = await openDatabase(stateFolder(project));
	const statements = Array.from({ length: TABLES }, (_, n) => [
		`CREATE TABLE t${n} (id INTEGER PRIMARY KEY, x)`,
		`INSERT INTO t${n} (x) VALUES ('row of ${n}')`,
	]);
	await opened.database.batch(statements.flat().map((sql) => opened.database.prepare(sql)));
	return { project };
}

async function backUp(project: string, { vars, staged }: Mode): Promise<Made> {
	emptyBucket({ project });
	await using server = await serve(project, WORKER, {
		...{ TOTP_SECRET: SECRET, ...RECEIVERS, ...vars },
	});
	if (staged) await rememberStaged(server);
	const { signal } = new AbortController();
	const call = backupCall(connect(server.url, { TOTP_SECRET: SECRET }, signal));
	const calls: Use[] = [];
	let pausedMs = 0;
	const profiled = async (body: Body): Promise<Answer> => {
		let answer: Answer | undefined;
		const profile = await profileWorker(server.inspectorPort, async () => {
			answer = await call(body);
		});
		if (answer === undefined) throw new Error('The call has no answer.');
		const used = (await (await fetch(`${server.url}/usage`)).json()) as Use;
		calls.push({ ...used, cpuMs: 1000 * profile.workerCpuSeconds, seconds: profile.seconds });
		return answer;
	};
	const sleep = async (milliseconds: number) => void (pausedMs += milliseconds);
	const made = await makeBackup(profiled, signal, { sleep });
	if (!('backup' in made)) throw new Error('The app has several databases.');
	const { backup } = made;
	if (staged && backup.consistency !== 'staged') throw new Error('The backup is not staged.');
	return { calls, pausedMs, backup };
}

/** Stores what the list knows of a staged backup, after which the next one is staged at once. */
async function rememberStaged({ url }: Server): Promise<void> {
	const at = '2020-01-01T00:00:00.000Z';
	const summary = {
		...{ name: `full_backup_${at}`, kind: 'full', parent: null, startedAt: at, finishedAt: at },
		...{ consistency: 'staged', waitedMs: 1, volumes: '1', encodings: [] },
		...{ tables: 0, rows: 0, sqlBytes: 0, bytes: 0, warnings: 0 },
	};
	await fetch(`${url}/remember`, { method: 'POST', body: JSON.stringify(summary) });
}

function rowOf(name: string, mode: Mode, { calls, pausedMs, backup }: Made): (string | number)[] {
	const cpu = calls.map(({ cpuMs }) => Math.round(cpuMs));
	const most = (of: (use: Use) => number) => Math.max(...calls.map(of));
	const total = (of: (use: Use) => number) => calls.map(of).reduce((sum, one) => sum + one, 0);
	return [
		name,
		(backup.sqlBytes / 1e6).toFixed(1),
		mode.name,
		calls.length,
		((pausedMs / 1000 + total(({ seconds }) => seconds)) / 60).toFixed(1),
		cpu[0] ?? 0,
		cpu.toSorted((a, b) => a - b)[Math.floor(cpu.length / 2)] ?? 0,
		Math.max(...cpu),
		most(({ queries }) => queries),
		most(({ subrequests }) => subrequests),
		total(({ rowsRead }) => rowsRead),
		total(({ rowsWritten }) => rowsWritten),
	];
}
