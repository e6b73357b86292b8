import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseManifest, type Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { formatTable } from '../src/cli/terminal/text.ts';
import { median } from './contenders.ts';
import type { DumpJob } from './jobs.ts';
import { serve, type Server } from './server.ts';

// Backups of a database that somebody writes to, with the latency of production.

const WORKER = fileURLToPath(new URL('staging', import.meta.url));
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
/** How often somebody writes, in milliseconds; first never, so that nothing is staged. */
const INTERVALS = [Number.POSITIVE_INFINITY, 5_000, 1_000, 200, 50];
const BACKUPS = 8;
/** How often somebody else reads, in milliseconds. */
const READ_EVERY_MS = 25;
/** Two tables of which each write changes a row together, in turn: the first and the last of the file. */
const TABLES = ['one', 'zz_other'];
/** Rows of each. */
const PAIRS = 100;

const HEADS = [
	'MB',
	'writes every',
	'made',
	'staged',
	'seconds',
	'stated wait, s',
	'longest read, s',
	'longest write, s',
	'rows written',
	'MB of database',
	'MB after',
];

/** What the other clients saw during some backups. */
interface Seen {
	longestRead: number;
	longestWrite: number;
}

/** A backup, with the writes that had ended when it began, and that had begun when it ended. */
interface Made {
	manifest: Manifest;
	first: number;
	last: number;
}

/** Makes backups while another client writes, for each interval. Returns the rows of a table. */
async function benchIntervals(job: DumpJob, server: Server): Promise<(string | number)[][]> {
	const rows: (string | number)[][] = [];
	for (const interval of INTERVALS) {
		await post(server, '/empty'); // so that the first backup tries to do without a stage
		const isWriting = Number.isFinite(interval);
		const before = await sizeOf(server);
		const made: Made[] = [];
		const seconds: number[] = [];
		const seen = await whileInUse(server, interval, async (writes) => {
			for (let turn = 0; turn < BACKUPS; turn++) {
				const startedAt = performance.now();
				const first = writes.ended;
				const manifest = await backUp(server);
				if (manifest) made.push({ manifest, first, last: writes.begun });
				seconds.push((performance.now() - startedAt) / 1000);
				if (isWriting) await sleep(interval * Math.random());
			}
		});
		for (const backup of made) await requireOneState(job, server, backup);
		const manifests = made.map(({ manifest }) => manifest);
		const staged = manifests.filter(({ snapshot }) => snapshot.consistency === 'staged');
		const most = (numbers: number[]) => Math.max(0, ...numbers);
		rows.push([
			job.megabytes,
			isWriting ? `${interval / 1000} s` : 'never',
			`${manifests.length} of ${BACKUPS}`,
			`${staged.length}`,
			`${median(seconds).toFixed(1)} (${Math.min(...seconds).toFixed(1)} to ${most(seconds).toFixed(1)})`,
			(most(staged.map(({ snapshot }) => snapshot.waitedMs ?? 0)) / 1000).toFixed(2),
			seen.longestRead.toFixed(2),
			seen.longestWrite.toFixed(2),
			most(staged.map(({ cost }) => cost.rowsWritten ?? 0)),
			(before / 1e6).toFixed(1),
			((await sizeOf(server)) / 1e6).toFixed(1),
		]);
		console.log(rows.at(-1)?.join('  '));
	}
	return rows;
}

/** Serves a database and prints how its backups went. Throws if one is not a state that it had. */
export async function benchStaging(job: DumpJob): Promise<void> {
	await using server = await serve(job.project, WORKER, {
		...{ TOTP_SECRET: SECRET, BACKUP_COMPRESSION: 'off', BACKUP_STAGE_MAX_MB: '1000' },
	});
	await post(server, '/sql', [
		'CREATE TABLE one (id INTEGER PRIMARY KEY, version INTEGER)',
		'CREATE TABLE zz_other (id INTEGER PRIMARY KEY, version INTEGER)',
		...TABLES.map(
			(table) =>
				`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${PAIRS}) INSERT INTO ${table} SELECT i, 0 FROM n`,
		),
	]);
	console.log(`\n${formatTable(HEADS, await benchIntervals(job, server)).join('\n')}\n`);
}

/** How many writes have begun and ended. */
interface Writes {
	begun: number;
	ended: number;
}

/** Reads and writes during some work. */
async function whileInUse(
	server: Server,
	interval: number,
	work: (writes: Writes) => Promise<void>,
): Promise<Seen> {
	await post(
		server,
		'/sql',
		TABLES.map((table) => `UPDATE ${table} SET version = 0`),
	);
	const seen = { longestRead: 0, longestWrite: 0 };
	const writes = { begun: 0, ended: 0 };
	let isRunning = true;
	const repeat = async (pause: number, call: (n: number) => Promise<number>) => {
		for (let n = 1; isRunning; n++) {
			await call(n);
			await sleep(pause);
		}
	};
	const write = async (n: number) => {
		const id = 1 + (n % PAIRS);
		writes.begun = n;
		const update = (table: string) => `UPDATE ${table} SET version = version + 1 WHERE id = ${id}`;
		const seconds = await timed(server, TABLES.map(update));
		writes.ended = n;
		return (seen.longestWrite = Math.max(seen.longestWrite, seconds));
	};
	const writing = Number.isFinite(interval) ? repeat(interval, write) : null;
	const reading = repeat(READ_EVERY_MS, async () => {
		const seconds = await timed(server, ['SELECT count(*) FROM one']);
		return (seen.longestRead = Math.max(seen.longestRead, seconds));
	});
	try {
		await work(writes);
	} finally {
		isRunning = false;
		await Promise.all([writing, reading]);
	}
	return seen;
}

/** Null if it failed, which is printed. */
async function backUp(server: Server): Promise<Manifest | null> {
	const answer = (await post(server, '/backup')) as { manifest?: object; error?: string };
	if (answer.manifest) return parseManifest(JSON.stringify(answer.manifest));
	console.log(answer.error);
	return null;
}

/** Restores a backup, and throws unless it is the state after one of the writes that it may have seen. */
async function requireOneState(
	{ project }: DumpJob,
	{ url }: Server,
	{ manifest, first, last }: Made,
): Promise<void> {
	const file = join(project, 'one-state.db');
	rmSync(file, { force: true });
	const child = spawn('sqlite3', ['-bail', file], { stdio: ['pipe', 'ignore', 'inherit'] });
	const closed = once(child, 'close');
	const response = await fetch(`${url}/${manifest.volumes[0]?.key}`);
	if (response.body) await pipeline(Readable.fromWeb(response.body as never), child.stdin);
	await closed;
	using database = new DatabaseSync(file, { readOnly: true });
	const count = 'SELECT (SELECT sum(version) FROM one) AS writes';
	const writes = Number(database.prepare(count).get()?.['writes']);
	if (!(writes >= first && writes <= last)) {
		throw new Error(`The backup has ${writes} writes, not ${first} to ${last}.`);
	}
	// Write n has changed the row 1 + n % PAIRS.
	const expected = Array.from({ length: PAIRS }, (_, at) => {
		const earliest = at === 0 ? PAIRS : at;
		return writes < earliest ? 0 : 1 + Math.floor((writes - earliest) / PAIRS);
	});
	for (const table of TABLES) {
		const rows = database.prepare(`SELECT version FROM ${table} ORDER BY id`).all();
		if (JSON.stringify(rows.map(({ version }) => version)) !== JSON.stringify(expected)) {
			throw new Error(`The rows of ${table} are of different moments.`);
		}
	}
}

async function timed(server: Server, statements: string[]): Promise<number> {
	const startedAt = performance.now();
	await post(server, '/sql', statements);
	return (performance.now() - startedAt) / 1000;
}

async function sizeOf(server: Server): Promise<number> {
	const [meta] = (await post(server, '/sql', ['SELECT 1'])) as [{ size_after: number }];
	return meta.size_after;
}

async function post({ url }: Server, path: string, body: unknown = null): Promise<unknown> {
	const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
	if (!response.ok) throw new Error(await response.text());
	return response.json();
}
