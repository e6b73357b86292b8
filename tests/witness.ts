import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unstable_splitSqlQuery as splitSqlQuery } from 'wrangler';
import { Response, type Request } from 'miniflare';

const run = promisify(execFile);

/**
 * Independent tools for tests that run inside workerd, behind a service binding:
 * - `POST /split`: SQL text -> JSON array of the statements that `wrangler d1 execute` would run.
 * - `POST /sqlite3`: `{script: base64, queries: string[]}` -> JSON array with the output of each
 *   query (sqlite3's `-json` rows), after Debian's sqlite3 read the script from standard input
 *   into a new database file. Status 422 with sqlite3's message when the script fails.
 */
export async function witness(request: Request): Promise<Response> {
	const { pathname } = new URL(request.url);
	if (pathname === '/split') return Response.json(splitSqlQuery(await request.text()));
	if (pathname !== '/sqlite3') return new Response('no such witness', { status: 404 });

	const { script, queries } = (await request.json()) as { script: string; queries: string[] };
	const folder = await mkdtemp(join(tmpdir(), 'lifeboat-witness-'));
	try {
		const database = join(folder, 'restored.db');
		const file = join(folder, 'backup.sql');
		await writeFile(file, Buffer.from(script, 'base64'));
		const restored = await run('sh', ['-c', `sqlite3 -bail "$1" < "$2"`, 'sh', database, file]);
		if (restored.stderr) return new Response(restored.stderr, { status: 422 });
		const answers: unknown[] = [];
		for (const query of queries) {
			const { stdout } = await run('sqlite3', ['-json', database, query], {
				maxBuffer: 512 * 1024 * 1024,
			});
			answers.push(stdout.trim() === '' ? [] : JSON.parse(stdout));
		}
		return Response.json(answers);
	} catch (error) {
		return new Response(String((error as { stderr?: string }).stderr || error), { status: 422 });
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}
