import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, migrate, startServer } from '../src/cli/server.ts';
import { seed } from './data.ts';
import { memoryOf, resetPeak, workerdsOf } from './processes.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

export interface DumpResult {
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

/** Makes one backup of so many megabytes of data, with the app under `wrangler pages dev`. */
export async function benchDump(megabytes: number): Promise<DumpResult> {
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

async function backUp(url: string, group: number, megabytes: number): Promise<DumpResult> {
	const code = execFileSync('node', ['genTotp.js'], {
		env: { ...process.env, TOTP_SECRET: SECRET },
	});
	const headers = { Authorization: `Bearer ${String(code).trim()}` };
	await fetch(`${url}/api/backup`, { headers }); // so that everything is loaded
	const workers = workerdsOf(group);
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

/** The app's isolate and the embedded D1 and R2 together. */
function total(pids: number[], field: 'VmRSS' | 'VmHWM'): number {
	return pids.reduce((sum, pid) => sum + memoryOf(pid, field), 0);
}
