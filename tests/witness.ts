import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { unstable_splitSqlQuery as splitSqlQuery } from 'wrangler';
import { Response, type Request } from 'miniflare';
import { answers, questions } from './databases/shell.ts';
import { runProgram } from './programs.ts';
import { FILE, type LocalTarget, query, restore } from './restored.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-witness-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
/** Databases by script, the newest last. */
const databases = new Map<string, Promise<string>>();
const KEPT = 4;
let loads = 0;

/**
 * Independent tools for tests that run inside workerd, behind a service binding:
 * - `POST /split`: SQL text -> JSON array of the statements that `wrangler d1 execute` would run.
 * - `POST /sqlite3`: `{script: base64, queries: string[]}` -> JSON array with the output of each
 *   query (sqlite3's `-json` rows), after Debian's sqlite3 read the script from standard input
 *   into a new database file. Status 422 with sqlite3's message when the script fails.
 * - `POST /execute`: an SQL file, run with `wrangler d1 execute --local --file` in a new database.
 *   Status 422 with wrangler's message when it fails.
 * - `POST /restore`: `{script: base64, sizes: number[], target: 'local' | 'file'}`, restored as `npm run
 *   restore` does, the file read in chunks of those sizes, into the embedded database or an SQLite file.
 * - `POST /restored`: `{target, queries}` -> the rows of each in what was restored last into that target,
 *   asked of D1, or of Node's own SQLite.
 * - `POST /zstd?-d`: bytes -> what the program `zstd` makes of them with these options. Status 422 with its
 *   message when it fails.
 * - `GET /pause`: an answer from outside the process. While it is under way, timers and other
 *   work get their turn, as they do when the database is across a network.
 */
export async function witness(request: Request): Promise<Response> {
	const { pathname, searchParams } = new URL(request.url);
	if (pathname === '/split') return Response.json(splitSqlQuery(await request.text()));
	if (pathname === '/execute') return execute(await request.text());
	if (pathname === '/restore') return restoreLocally(await request.json());
	if (pathname === '/restored') return queryRestored(await request.json());
	if (pathname === '/zstd') return zstd([...searchParams.keys()], await request.arrayBuffer());
	if (pathname === '/pause') return new Response('', { status: 204 });
	if (pathname !== '/sqlite3') return new Response('no such witness', { status: 404 });

	const { script, queries } = (await request.json()) as { script: string; queries: string[] };
	try {
		const database = await loaded(script);
		const { stdout } = await sqlite3(['-json', '-readonly', database], questions(queries));
		return Response.json(answers(stdout.toString()));
	} catch (error) {
		return refused(error);
	}
}

/**
 * The path of the database that sqlite3 makes from a script; cached, because a snapshot takes several
 * queries.
 */
function loaded(script: string): Promise<string> {
	const database = databases.get(script) ?? load(script, join(folder, `${++loads}.db`));
	databases.delete(script);
	databases.set(script, database); // moves it to the end
	const [oldest] = databases.keys();
	if (databases.size > KEPT && oldest !== undefined) databases.delete(oldest);
	return database;
}

async function load(script: string, database: string): Promise<string> {
	// No waiting for the disk: this database need not survive a crash.
	const options = ['-cmd', 'PRAGMA synchronous=OFF', database];
	const { stderr } = await sqlite3(options, Buffer.from(script, 'base64'));
	if (stderr) throw new Error(stderr);
	return database;
}

async function restoreLocally(body: unknown): Promise<Response> {
	const { script, sizes, target } = body as {
		script: string;
		sizes: number[];
		target: LocalTarget;
	};
	try {
		await restore(Buffer.from(script, 'base64'), sizes, target);
		return new Response(null, { status: 204 });
	} catch (error) {
		return new Response(String(error), { status: 422 });
	}
}

async function queryRestored(body: unknown): Promise<Response> {
	const { target, queries } = body as { target: LocalTarget; queries: string[] };
	if (target === 'local') return Response.json(await query(queries));
	using database = new DatabaseSync(FILE, { readOnly: true });
	return Response.json(queries.map((sql) => database.prepare(sql).all()));
}

async function execute(sql: string): Promise<Response> {
	const folder = await mkdtemp(join(tmpdir(), 'lifeboat-witness-'));
	try {
		const file = join(folder, 'backup.sql');
		await writeFile(file, sql);
		const target = ['--local', '--persist-to', folder, '--yes', '--file', file];
		await runProgram('wrangler', ['d1', 'execute', 'DB', ...target]);
		return new Response(null, { status: 204 });
	} catch (error) {
		return refused(error);
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

async function zstd(options: string[], input: ArrayBuffer): Promise<Response> {
	try {
		const args = ['--stdout', ...options];
		const { stdout } = await runProgram('zstd', args, new Uint8Array(input));
		return new Response(stdout);
	} catch (error) {
		return refused(error);
	}
}

function sqlite3(words: string[], input: string | Buffer): ReturnType<typeof runProgram> {
	return runProgram('sqlite3', ['-bail', ...words], input);
}

function refused(error: unknown): Response {
	return new Response(error instanceof Error ? error.message : String(error), { status: 422 });
}
