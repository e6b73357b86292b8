import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, json, listen, type Request } from '../stand-in.ts';

// The workflow for drills of an app with several databases.

const TOTP_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const PROVEN = { at: '2026-11-23T05:07:02.871Z', proven: true, scope: 'contents' };
const DIFFERED = { ...PROVEN, proven: false };

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-turns-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Drilled = object | null;

/** An app whose databases have one backup each, with these drills; none for undefined. */
function app(drills: Record<string, Drilled | undefined>): Answer {
	const databases = Object.keys(drills);
	return (request, response) => {
		const { pathname, searchParams } = new URL(request.url ?? '', 'http://app');
		const drilled = drills[searchParams.get('database') ?? databases[0] ?? ''];
		if (pathname.endsWith('.manifest.json')) {
			return json(200, { volumes: [{ key: `${NAME}.sql`, bytes: 2 }] })(request, response);
		}
		if (pathname.endsWith('.sql')) return json(200, {})(request, response);
		const backups = drilled === undefined ? [] : [{ name: NAME, drilled, warnings: 0 }];
		json(200, { backups, databases, cursor: null })(request, response);
	};
}

/** Runs the first or the last program of the workflow. Returns its outputs and the addresses it called. */
async function run(program: string, answer: Answer, env: Record<string, string> = {}) {
	const requests: Request[] = [];
	await using server = await listen(answer, requests);
	const outputs = join(folder, 'outputs');
	writeFileSync(outputs, '');
	const child = spawn(
		process.execPath,
		[`src/cli/workflow/${program}.ts`, join(folder, 'backup')],
		{ env: { TOTP_SECRET, BACKUP_URL: server.url, GITHUB_OUTPUT: outputs, ...env } },
	);
	const [code] = (await once(child, 'close')) as [number];
	const urls = requests.map(({ url = '' }) => url.replace('/api/backup', ''));
	return { code, outputs: readFileSync(outputs, 'utf8'), urls };
}

describe('after a backup of all databases', () => {
	const turns = { UNLESS_DRILLED: 'yes', DATABASE: '' };

	test.for<[string, Record<string, Drilled | undefined>, string | null]>([
		['one that was not drilled yet', { a: PROVEN, b: PROVEN, c: null }, 'c'],
		['the first of several', { a: PROVEN, b: null, c: null }, 'b'],
		['one that differed after those', { a: DIFFERED, b: null }, 'b'],
		['one that differed, if there is no other', { a: PROVEN, b: DIFFERED }, 'b'],
		['none without a backup', { a: PROVEN, b: undefined, c: null }, 'c'],
		['none if all are proven', { a: PROVEN, b: PROVEN }, null],
		['the first one by default', { a: null, b: null }, ''],
	])('the drill takes %s', async ([, drills, taken]) => {
		const { code, outputs, urls } = await run('fetch-backup', app(drills), turns);
		expect(code).toBe(0);
		expect(outputs).toBe(taken === null ? '' : `backup=${NAME}\ndatabase=${taken}\n`);
		const query = taken ? `&database=${taken}` : '';
		const url = taken ? `/${NAME}.sql?stored=${query}` : `/${NAME}.sql?stored`;
		if (taken !== null) expect(urls.at(-1)).toBe(url);
	});
});

test('the drill takes the database that is named', async () => {
	const { outputs, urls } = await run('fetch-backup', app({ a: null, b: PROVEN }), {
		DATABASE: 'b',
	});
	expect(outputs).toBe(`backup=${NAME}\ndatabase=b\n`);
	expect(urls.every((url) => url.endsWith('database=b'))).toBe(true);
});

test('the proof is recorded with the database', async () => {
	const env = { BACKUP: NAME, DATABASE: 'b', PROOF: '{}' };
	const { urls } = await run('record-proof', json(200, { proof: {} }), env);
	expect(urls).toEqual([`/${NAME}.manifest.json?database=b`]);
});
