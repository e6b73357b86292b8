import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOTP } from '../../src/lib/totp.js';
import { counted, SEED } from '../counts.ts';
import { App } from './app.ts';
import { type Malformed, malformed, TOO_LONG } from './malformed.ts';
import { runLocally } from '../operator.ts';

// Sends the built app requests that none of our clients would send.

const REQUESTS = counted(20_000);
const CONNECTIONS = 16;
/**
 * Milliseconds of silence after which a connection is given up: the app may be waiting for the rest of
 * a body.
 */
const PATIENCE_MS = 500;

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const API_KEY = 'a-key-of-at-least-thirty-two-characters';
const AUTH_SECRET = 'the-secret-of-auth-js-in-this-test';
/** A value in the database that must not appear in any answer. */
const ROW = 'what-only-the-database-knows';

let app: App;
const codes = new Set<string>();

beforeAll(async () => {
	app = new App();
	runLocally(app.folder, `INSERT INTO users (id, name) VALUES ('${ROW}', '${ROW}')`);
	await app.start({
		TOTP_SECRET: SECRET,
		BACKUP_API_KEY: API_KEY,
		AUTH_SECRET,
		GITHUB_ID: 'Iv1.lifeboat',
		GITHUB_SECRET: '0123456789abcdef',
	});
});

afterAll(() => app?.stop());

async function currentCode(): Promise<string> {
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
	codes.add(code);
	return code;
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
	const headers = { Authorization: `Bearer ${await currentCode()}`, 'X-API-Key': API_KEY };
	return fetch(`${app.url}/api/backup${path}`, { ...init, headers });
}

/** Everything that an attacker could have changed. */
async function state(): Promise<unknown> {
	const { backups } = (await (await call('')).json()) as { backups: { files: string[] }[] };
	const files = backups.flatMap((backup) => backup.files);
	const hashes = await Promise.all(
		files.map(async (file) => {
			const bytes = new Uint8Array(await (await call(`/${file}`)).arrayBuffer());
			return createHash('sha256').update(bytes).digest('hex');
		}),
	);
	const rows = runLocally(
		app.folder,
		'SELECT * FROM users',
		'SELECT * FROM sessions',
		'SELECT * FROM accounts',
		`SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`,
	);
	return { backups, hashes, rows };
}

/** The bytes of a request. */
async function bytesOf({
	credentials,
	method,
	path,
	headers,
	body,
	length,
}: Malformed): Promise<Buffer> {
	const lines = [
		`${method} ${path} HTTP/1.1`,
		`Host: ${new URL(app.url).host}`,
		'Connection: close',
	];
	if (credentials !== 'none') lines.push(`X-API-Key: ${API_KEY}`);
	if (credentials === 'both') lines.push(`Authorization: Bearer ${await currentCode()}`);
	lines.push(...headers);
	const sizes = { right: 0, longer: 7, shorter: -1, negative: -2 * body.length - 1 };
	if (length in sizes) lines.push(`Content-Length: ${body.length + sizes[length as 'right']}`);
	if (length.endsWith('chunks') || length === 'chunked') lines.push('Transfer-Encoding: chunked');
	const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
	if (length === 'broken chunks') return Buffer.concat([head, Buffer.from('zz\r\n'), body]);
	if (length !== 'chunked') return Buffer.concat([head, body]);
	const size = Buffer.from(`${body.length.toString(16)}\r\n`);
	return Buffer.concat([head, size, body, Buffer.from('\r\n0\r\n\r\n')]);
}

/** What the app answers until the connection closes or stays silent for too long. */
async function exchange(bytes: Buffer): Promise<string> {
	const { port, hostname } = new URL(app.url);
	const socket = connect(Number(port), hostname);
	const chunks: Buffer[] = [];
	socket.on('data', (chunk: Buffer) => chunks.push(chunk));
	socket.on('error', () => {}); // it may be reset
	socket.setTimeout(PATIENCE_MS, () => socket.destroy());
	socket.write(bytes);
	await new Promise((resolve) => socket.once('close', resolve));
	return Buffer.concat(chunks).toString('latin1');
}

/** Sends the requests, a few at a time, and passes each with its answer to `look`. */
async function exchangeAll(requests: Malformed[], look: (r: Malformed, answer: string) => void) {
	let next = 0;
	const worker = async () => {
		for (let request = requests[next++]; request; request = requests[next++]) {
			look(request, await exchange(await bytesOf(request)));
		}
	};
	await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}

/** The file that a path names when parsed as a URL; null if it names none. */
function fileAskedFor(path: string): string | null {
	try {
		const { pathname } = new URL(path, 'http://app.example');
		const [, file] = /^\/api\/backup\/([^/]+)$/.exec(pathname) ?? [];
		return file === undefined ? null : decodeURIComponent(file);
	} catch {
		return null;
	}
}

test(
	`none of ${REQUESTS} malformed requests changes or reveals anything`,
	{ timeout: 900_000 },
	async () => {
		const made = await call('', { method: 'POST' });
		expect(made.status).toBe(201);
		const { backup } = (await made.json()) as { backup: { name: string; files: string[] } };
		const files = [...backup.files, `${backup.name}.manifest.json`];
		const before = await state();

		const statuses: Record<string, number> = {};
		const wrong: string[] = [];
		const drawn = fc.sample(malformed(files), { numRuns: REQUESTS, seed: SEED });
		await exchangeAll([TOO_LONG, ...drawn], (request, answer) => {
			const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 'none';
			statuses[status] = (statuses[status] ?? 0) + 1;
			const problem = problemOf(request, answer, status, files);
			if (problem)
				wrong.push(
					`${problem}: ${JSON.stringify({ ...request, body: request.body.toString('latin1').slice(0, 100) })} -> ${answer.slice(0, 600)}`,
				);
		});
		console.log(`seed ${SEED}:`, JSON.stringify(statuses));

		expect(wrong.slice(0, 5)).toEqual([]);
		expect(await state()).toEqual(before);
		// Every kind of answer came from the app itself.
		for (const status of ['200', '400', '401', '403', '404', '405', '413', '415']) {
			expect([status, statuses[status]]).toEqual([status, expect.any(Number)]);
		}
		expectNoSecretIn(app.output());
	},
);

/**
 * Answers to requests that never reached the app, and would not on Cloudflare either: workerd does not
 * know the method, or wrangler's proxy, which only exists in development, got half a body.
 */
const BEFORE_THE_APP = [
	/^ERROR: Unrecognized request method\.$/,
	/^Error: (Network connection lost|Promise will never complete)\.\n +at async Object\.fetch \(file:.+\/miniflare\/[\w/.]+:\d+:\d+\)$/,
];

/** The problem with an answer; null if there is none. */
function problemOf({ path, method }: Malformed, answer: string, status: string, files: string[]) {
	const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
	if (BEFORE_THE_APP.some((known) => known.test(body))) return null;
	if (/^5/.test(status)) return 'status';
	if (/\bat [\w.<>]+ \(|\.[jt]s:\d+:\d+|SQLITE_|D1_ERROR|node_modules/.test(answer)) return 'stack';
	const secrets = [SECRET, API_KEY, AUTH_SECRET, ROW];
	if (secrets.some((secret) => answer.includes(secret))) return 'secret';
	const file = fileAskedFor(path);
	const isFile = /^20[06]$/.test(status) && /content-disposition: attachment/i.test(answer);
	if (isFile && !files.includes(file ?? '')) return 'file';
	if (status === '201' || status === '202') return 'begun';
	// SvelteKit answers with the data of a page whatever the method is, and only reads it.
	const isPageData = /^\/[^?]*__data\.json(\?|$)/.test(path);
	return method === 'DELETE' && status.startsWith('2') && !isPageData ? 'deleted' : null;
}

function expectNoSecretIn(log: string): void {
	expect(log).toContain('"operation":"backup"'); // it is the log of the app
	for (const secret of [SECRET, API_KEY, AUTH_SECRET, ROW]) expect(log).not.toContain(secret);
	const words = new Set(log.match(/\b\d{6}\b/g));
	for (const code of codes) expect(words).not.toContain(code);
	expect(log).not.toContain('internal_error');
	// Those of wrangler's proxy only exist in development. It does not know every method either.
	const traces = log.match(/(?:^\s+at .+:\d+:\d+\)?\n)+/gm) ?? [];
	expect(traces.filter((trace) => !/\/node_modules\/(wrangler|miniflare)\//.test(trace))).toEqual(
		[],
	);
}
