import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { App } from './app.ts';
import { forgetCodes } from './bucket.ts';
import { product } from './shared.ts';

// Calls the built app with curl, which covers what tests of the handlers cannot.

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const run = promisify(execFile);

let app: App;

beforeAll(async () => {
	app = new App(product());
	await app.start({ TOTP_SECRET: SECRET });
});

afterAll(() => app?.stop());

interface Answer {
	status: number;
	headers: Record<string, string>;
	body: string;
}

/** The current code, accepted by the app even if it was used before. */
async function freshCode(): Promise<string> {
	forgetCodes(app.folder);
	return currentCode();
}

/** The code that genTotp.js prints, as the README says. */
async function currentCode(): Promise<string> {
	const env = { ...process.env, TOTP_SECRET: SECRET };
	return (await run('node', ['genTotp.js'], { env })).stdout.trim();
}

/** Calls the API with curl. */
async function curl(path: string, ...options: string[]): Promise<Answer> {
	return curlWith(await currentCode(), path, ...options);
}

async function curlWith(code: string, path: string, ...options: string[]): Promise<Answer> {
	const { stdout } = await run(
		'curl',
		[...['-s', '-i', '-H', `Authorization: Bearer ${code}`, ...options], `${app.url}${path}`],
		{ encoding: 'latin1' },
	); // one character per byte, because files are compressed
	const end = stdout.indexOf('\r\n\r\n');
	const [first = '', ...lines] = stdout.slice(0, end).split('\r\n');
	const headers = lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]);
	return {
		status: Number(first.split(' ')[1]),
		headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
		body: stdout.slice(end + 4),
	};
}

/** The backup that the tests share. */
const backup = (): Promise<{ name: string; files: string[] }> => (made ??= makeBackup());
let made: ReturnType<typeof makeBackup> | undefined;

async function makeBackup(): Promise<{ name: string; files: string[] }> {
	const answer = await curlWith(await freshCode(), '/api/backup', '-X', 'POST');
	expect(answer.status).toBe(201);
	return JSON.parse(answer.body).backup;
}

test('a backup is made, listed and fetched', async () => {
	const { name, files } = await backup();
	const list = await curl('/api/backup');
	expect(list.status).toBe(200);
	const unproven = { verified: null, drilled: null };
	const listed = expect.objectContaining({ ...(await backup()), ...unproven });
	expect(JSON.parse(list.body).backups).toContainEqual(listed);

	const manifest = JSON.parse((await curl(`/api/backup/${name}.manifest.json`)).body);
	const file = await curl(`/api/backup/${files[0]}`);
	const bytes = Buffer.from(file.body, 'latin1');
	expect(createHash('sha256').update(bytes).digest('hex')).toBe(manifest.volumes[0].sha256);
	expect(gunzipSync(bytes).toString()).toContain('CREATE TABLE users');
});

test('a backup is verified, and the list says so', async () => {
	const { name, files } = await backup();
	const prove = (action: string, code: string) =>
		curlWith(
			code,
			`/api/backup/${files[0]}`,
			...['-H', 'Content-Type: application/json', '-d', JSON.stringify({ action })],
		);
	const { status, body } = await prove('verify', await freshCode());
	expect(status).toBe(200);
	const { proof } = JSON.parse(body);
	expect(proof).toMatchObject({ backup: name, kind: 'verify', proven: true });
	const list = JSON.parse((await curl('/api/backup')).body);
	expect(list.backups[0]).toMatchObject({
		name,
		verified: { at: proof.finishedAt, proven: true },
		drilled: null,
	});
	const stored = await curl(`/api/backup/${name}.proof-${proof.finishedAt}.json`);
	expect(JSON.parse(stored.body)).toEqual(proof);
	const drill = await prove('drill', await currentCode());
	expect([drill.status, JSON.parse(drill.body).code]).toEqual([409, 'drill_database_missing']);
});

test('curl resumes a broken download', async () => {
	const { files } = await backup();
	const whole = (await curl(`/api/backup/${files[0]}`)).body;
	const part = await curl(`/api/backup/${files[0]}`, '-r', '100-');
	expect(part.status).toBe(206);
	expect(part.headers['content-length']).toBe(String(whole.length - 100));
	expect(part.body).toBe(whole.slice(100));
});

test('HEAD returns the size', async () => {
	const { files } = await backup();
	const head = await curl(`/api/backup/${files[0]}`, '-I');
	expect(head.status).toBe(200);
	expect(Number(head.headers['content-length'])).toBeGreaterThan(1000);
	expect(head.body).toBe('');
});

test('progress arrives line by line, and answers must not be cached', async () => {
	const { files } = await backup();
	const accept = ['-H', 'Accept: application/x-ndjson'];
	const lines = await curlWith(await freshCode(), '/api/backup', '-X', 'POST', ...accept);
	const last = lines.body.trimEnd().split('\n').at(-1) ?? '';
	expect(JSON.parse(last)).toMatchObject({ event: 'done', success: true });
	const answers = await Promise.all([
		curl('/api/backup'),
		lines,
		curl('/api/backup', '-H', 'Authorization: Bearer 000000'),
		curl(`/api/backup/${files[0]}`),
		curl(`/api/backup/${files[0]}`, '-I'),
		curl('/api/backup/nothing.sql'),
		curl('/api/backup', '-X', 'PUT'),
		curl('/api/nothing'),
	]);
	expect(answers.map(({ headers }) => headers['cache-control'])).toEqual(
		answers.map(() => 'private, no-store'),
	);
	expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 200, 200, 404, 405, 404]);
});

test('a form from another site is refused', async () => {
	const answer = await curl('/api/backup', '-d', 'action=backup');
	expect(answer.status).toBe(403);
});
