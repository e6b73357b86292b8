import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { D1Database } from '@cloudflare/workers-types';
import { getPlatformProxy } from 'wrangler';
import { freePort, migrate, startServer } from '../src/cli/server.ts';

/*
 * What a backup costs under `wrangler pages dev`: time, queries, and the peak of workerd's resident
 * memory, which holds the app's isolate and the embedded D1 and R2 together.
 */

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const ROWS_PER_MB = 1000;

const { values } = parseArgs({ options: { mb: { type: 'string', default: '30,300' } } });

interface Result {
	'database MB': number;
	'SQL MB': string;
	seconds: string;
	'MB/s': string;
	queries: number;
	'rows read per row': string;
	'RSS before, MB': number;
	'peak RSS, MB': number;
	'growth, MB': number;
}

const results: Result[] = [];
for (const size of values.mb.split(',').map(Number)) results.push(await measure(size));
console.table(results);

async function measure(megabytes: number): Promise<Result> {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-bench-'));
	try {
		await migrate(folder);
		await seed(folder, megabytes);
		const server = await startServer({
			persistTo: folder,
			port: await freePort(),
			vars: { TOTP_SECRET: SECRET },
		});
		try {
			return await backUp(server.url, server.pid, megabytes);
		} finally {
			await server.stop();
		}
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Rows of about 1 kB: an integer, a real, text, JSON, a blob, NULLs, and two indexes. */
async function seed(folder: string, megabytes: number): Promise<void> {
	const { env, dispose } = await getPlatformProxy<{ DB: D1Database }>({
		persist: { path: join(folder, 'v3') },
	});
	await env.DB.batch(
		[
			`CREATE TABLE bench (id INTEGER PRIMARY KEY, n INTEGER, r REAL, t TEXT, j TEXT, b BLOB, x)`,
			`CREATE INDEX bench_n ON bench (n)`,
			`CREATE INDEX bench_r ON bench (r)`,
		].map((sql) => env.DB.prepare(sql)),
	);
	for (let at = 0; at < megabytes; at += 10) {
		const rows = Math.min(10, megabytes - at) * ROWS_PER_MB;
		await env.DB.prepare(
			`WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ${rows})
			INSERT INTO bench (n, r, t, j, b, x) SELECT abs(random()) % 1000000, abs(random()) % 1000000 / 100.0,
			hex(randomblob(160)) || ' it''s text, naïve and plain', json_object('id', n, 'tags', json_array('a', 'b'), 'note', hex(randomblob(120))),
			randomblob(300), NULL FROM i`,
		).run();
	}
	await dispose();
}

async function backUp(url: string, group: number, megabytes: number): Promise<Result> {
	const code = execFileSync('node', ['genTotp.js'], {
		env: { ...process.env, TOTP_SECRET: SECRET },
	});
	const headers = { Authorization: `Bearer ${String(code).trim()}` };
	await fetch(`${url}/api/backup`, { headers }); // so that everything is loaded
	const workers = workerds(group);
	workers.forEach(resetPeak);
	const before = total(workers, 'VmRSS');
	const started = performance.now();
	const response = await fetch(`${url}/api/backup`, { method: 'POST', headers });
	const answer = (await response.json()) as { backup: { name: string; sqlBytes: number } };
	if (response.status !== 201) throw new Error(JSON.stringify(answer));
	const seconds = (performance.now() - started) / 1000;
	const peak = total(workers, 'VmHWM');
	const file = await fetch(`${url}/api/backup/${answer.backup.name}.manifest.json`, { headers });
	const { cost, tables } = (await file.json()) as {
		cost: { queries: number; rowsRead: number };
		tables: { rows: number }[];
	};
	const sql = answer.backup.sqlBytes / 1e6;
	const rows = tables.reduce((sum, table) => sum + table.rows, 0);
	return {
		'database MB': megabytes,
		'SQL MB': sql.toFixed(1),
		seconds: seconds.toFixed(2),
		'MB/s': (sql / seconds).toFixed(1),
		queries: cost.queries,
		'rows read per row': (cost.rowsRead / rows).toFixed(4),
		'RSS before, MB': before,
		'peak RSS, MB': peak,
		'growth, MB': peak - before,
	};
}

/** The workerd processes of a process group. */
function workerds(group: number): number[] {
	return readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.map(Number)
		.filter((pid) => {
			try {
				const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
				const [, name, , , processGroup] = /\((.*)\) (\S) (\d+) (\d+)/.exec(stat) ?? [];
				return name === 'workerd' && Number(processGroup) === group;
			} catch {
				return false;
			}
		});
}

/** Linux, proc(5): 5 sets the peak of the resident memory back to what it is now. */
function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function total(pids: number[], field: 'VmRSS' | 'VmHWM'): number {
	const kilobytes = pids.map((pid) => {
		const status = readFileSync(`/proc/${pid}/status`, 'utf8');
		return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
	});
	return Math.round(kilobytes.reduce((sum, value) => sum + value, 0) / 1024);
}
