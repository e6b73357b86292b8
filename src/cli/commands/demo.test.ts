import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { forgetCodes } from '../../../tests/app/bucket.ts';
import { counted } from '../../../tests/counts.ts';
import { encoderOf } from '../../lib/server/backup/storage/codec.ts';
import { asD1 } from '../../../tests/local-database.ts';
import { projectFolder, removeFolder, runLocally, sqlite3 } from '../../../tests/operator.ts';
import { decode } from '../demo/backup.ts';
import { compareDatabases, type Comparison } from '../demo/compare.ts';
import { loadSample } from '../demo/sample.ts';
import { Steps } from '../demo/steps.ts';
import { makeIdentity } from '../secrets/identity.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DEMO = join(ROOT, 'src/cli/commands/demo.ts');
const SETUP = join(ROOT, 'src/cli/commands/setup.ts');

describe('the comparison of two databases', () => {
	let folder: string;
	/** A file with the sample data, and the same data opened. */
	let sample: string;
	let before: DatabaseSync;
	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'lifeboat-compare-'));
		sample = join(folder, 'sample.db');
		before = new DatabaseSync(sample);
		await loadSample(asD1(before));
	});
	afterAll(() => {
		before.close();
		rmSync(folder, { recursive: true });
	});

	/** Compares the sample data with a copy in which the statements were run. */
	async function compareAfter(...statements: string[]): Promise<Comparison> {
		const copy = join(folder, 'copy.db');
		copyFileSync(sample, copy);
		using after = new DatabaseSync(copy);
		for (const sql of statements) after.exec(sql);
		return await compareDatabases(asD1(before), asD1(after));
	}

	test('finds no difference when nothing has changed', async () => {
		const { tables, rows, searches, differences } = await compareAfter();
		expect(differences).toEqual([]);
		expect(tables).toBe(12);
		expect(rows).toBeGreaterThan(5000);
		expect(searches).toBeGreaterThan(20);
	});

	test('finds none after the sample data were loaded again', async () => {
		const again = join(folder, 'again.db');
		copyFileSync(sample, again);
		using after = new DatabaseSync(again);
		await loadSample(asD1(after));
		expect((await compareDatabases(asD1(before), asD1(after))).differences).toEqual([]);
	});

	test('finds every kind of difference', async () => {
		const { differences } = await compareAfter(
			`UPDATE demo_orders SET remark = 'Ring twice' WHERE id = 1500`,
			`UPDATE demo_values SET value = 1.0 WHERE label = 'integer 1'`,
			`DELETE FROM demo_thumbnails WHERE product = 100`,
			`INSERT INTO demo_products (id, title, price) VALUES (99999, 'new', 1)`,
			`UPDATE demo_order_lines SET line = 7 WHERE order_id = 1500 AND line = 2`,
			`UPDATE demo_events SET rowid = 99999 WHERE rowid = 500`,
			`UPDATE sqlite_sequence SET seq = 491 WHERE name = 'demo_customers'`,
			`INSERT INTO demo_products_search (demo_products_search) VALUES ('delete-all')`,
		);
		expect(differences).toEqual([
			'demo_events: rowid integer 500 is missing',
			'demo_order_lines: order_id integer 1500, line integer 2 is missing',
			'demo_orders: rowid integer 1500: remark was "Leave it at the pier; it\'s no. 500", is "Ring twice"',
			'demo_products: rowid integer 99999 was not there before',
			expect.stringMatching(
				/^demo_products_search: a search for "\w+" found rows \[.+\], finds \[\]$/,
			),
			'demo_thumbnails: rowid integer 100 is missing',
			'demo_values: rowid integer 3: value was integer 1, is real 1.0',
			'sqlite_sequence: name "demo_customers": seq was integer 500, is integer 491',
		]);
	});

	test.for([
		[
			'largest integer',
			'9223372036854775806',
			'integer 9223372036854775807',
			'integer 9223372036854775806',
		],
		[
			'first integer that no double holds',
			'9007199254740993.0',
			'integer 9007199254740993',
			'real 9007199254740992.0',
		],
		['negative zero', '0.0', 'real -0.0', 'real 0.0'],
		['real zero', '0', 'real 0.0', 'integer 0'],
		['a tenth', '0.10000000000000002', 'real 0.1', 'real 0.10000000000000002'],
		['infinity', '1.7976931348623157e308', 'real Inf', 'real 1.7976931348623157e+308'],
		['text 1', `X'31'`, '"1"', 'blob 31'],
		['empty text', 'NULL', '""', 'null'],
	] as const)('tells "%s" from %s', async ([label, value, was, is]) => {
		const { differences } = await compareAfter(
			`UPDATE demo_values SET value = ${value} WHERE label = '${label}'`,
		);
		expect(differences).toEqual([expect.stringMatching(/^demo_values: rowid integer -?\d+: /)]);
		expect(differences[0]).toContain(`: value was ${was}, is ${is}`);
	});

	test.for([
		['NUL', `'before'`, 'body was "before\\u0000after", is "before"'],
		['line ends', `replace(body, char(13, 10), char(10))`, 'body was "one\\r\\ntwo'],
		['200 KB', `substr(body, 1, 200099) || 'x'`, 'body was "The sea'],
	] as const)('distinguishes the text "%s" from %s', async ([label, value, told]) => {
		const { differences } = await compareAfter(
			`UPDATE demo_texts SET body = ${value} WHERE label = '${label}'`,
		);
		expect(differences).toEqual([expect.stringContaining(told)]);
	});

	test.for([
		[
			'DROP INDEX demo_orders_customer',
			'schema: type "index", name "demo_orders_customer" is missing',
		],
		['CREATE TABLE demo_more (a)', 'schema: type "table", name "demo_more" was not there before'],
		['ALTER TABLE demo_texts ADD COLUMN more', 'schema: type "table", name "demo_texts": sql was'],
	] as const)('notices %s', async ([sql, told]) => {
		const { differences } = await compareAfter(sql);
		expect(differences).toEqual([expect.stringContaining(told)]);
	});
});

test('the demo decodes the volumes of an encrypted backup', async () => {
	const folder = projectFolder();
	const identity = join(folder, 'own.agekey');
	const recipients = [await makeIdentity(identity, false)];
	const encodings = ['gzip', 'age'] as const;
	const volumes = await Promise.all(
		['one;', 'two;'].map(async (sql, index) => {
			const bytes = await encoderOf({ compression: 'gzip', recipients })(Buffer.from(sql));
			writeFileSync(join(folder, String(index)), bytes);
			const digest = { sha256: '', bytes: bytes.length, sqlBytes: sql.length };
			return { key: String(index), ...digest, encodings: [...encodings] };
		}),
	);
	vi.stubEnv('AGE_IDENTITY_FILE', identity);
	try {
		const steps = new Steps(new AbortController().signal);
		expect(readFileSync(await decode(steps, volumes, folder), 'utf8')).toBe('one;two;');
		expect(steps.format().at(-1)).toMatch(/^decode +age, gzip +plain SQL/);
	} finally {
		vi.unstubAllEnvs();
		removeFolder(folder);
	}
});

describe('npm run demo', () => {
	let folder: string;
	beforeEach(() => void (folder = projectFolder()));
	afterEach(() => removeFolder(folder));

	test('runs on a fresh copy until Ctrl-C, and again with encrypted backups', async () => {
		// A copy, because the demo rebuilds after a change, and other tests use the build.
		const [from, to] = [join(ROOT, '.svelte-kit'), join(folder, '.svelte-kit')];
		cpSync(from, to, { recursive: true, preserveTimestamps: true });
		const demo = spawn(process.execPath, [DEMO], { cwd: folder });
		let output = '';
		for await (const data of demo.stdout) {
			output += String(data);
			if (output.includes('until Ctrl-C')) break;
		}
		expect(output).toMatch(/^settings .* Wrote \.env /m);
		expect(output).toMatch(/^compare .*: same /m);

		const [url = ''] = /http:\/\/127\.0\.0\.1:\d+/.exec(output) ?? [];
		expect((await fetch(url)).status).toBe(200);
		const [line = ''] =
			/^ +node genTotp\.js --headers \| curl .* > backup\.sql$/m.exec(output) ?? [];
		expect(line).toContain('| gunzip >');
		await promisify(execFile)('bash', ['-o', 'pipefail', '-c', line], { cwd: folder });
		const restored = join(folder, 'restored.db');
		sqlite3(restored, readFileSync(join(folder, 'backup.sql'), 'utf8'));
		expect(sqlite3(restored, 'SELECT count(*) FROM demo_orders')).toBe('1200');
		demo.kill('SIGINT');
		expect(await once(demo, 'exit')).toEqual([0, null]);
		await expect(fetch(url)).rejects.toThrow();
		if (counted(2) > 1) await runsAgainEncrypted(rowsOf(output));
	});

	const rowsOf = (text: string) => /^compare .*?([\d,]+ rows)/m.exec(text)?.[1];

	async function runsAgainEncrypted(rows: string | undefined): Promise<void> {
		const options = {
			cwd: folder,
			env: { ...process.env, XDG_CONFIG_HOME: join(folder, 'config') },
		};
		for (const copied of [[], ['--identity-copied']]) {
			const setUp = promisify(execFile)(process.execPath, [SETUP, ...copied], options);
			if (copied.length > 0) await setUp;
			else await expect(setUp).rejects.toThrow('--identity-copied');
		}
		const settings = readFileSync(join(folder, '.env'), 'utf8');
		const state = join(folder, '.wrangler/state');
		const index = `fts5 (x, content='', tokenize=trigram, detail=none)`;
		runLocally(state, `CREATE VIRTUAL TABLE "search" USING ${index}`);
		forgetCodes(state);
		const { stdout } = await promisify(execFile)(process.execPath, [DEMO, '--exit'], options);
		expect(rowsOf(stdout), stdout).toBe(rows);
		expect(stdout).toMatch(/^decode +age, gzip +/m);
		expect(stdout).toMatch(/^compare .*: same /m);
		expect(stdout).toContain('2 listed');
		expect(stdout).toMatch(
			/^Warning: The full-text table "search" has trigrams without their places/m,
		);
		expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(settings);
	}

	test.runIf(process.env['LIFEBOAT_LONG'] === '1')('runs as a Worker', async () => {
		const args = [DEMO, '--exit', '--worker'];
		const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
		expect(stdout).toMatch(/^start +wrangler dev /m);
		expect(stdout).toMatch(/^compare .*: same /m);
	});

	test.for([
		['--help', 0, 'Usage: npm run demo'],
		['--force', 1, "Unknown option '--force'"],
	] as const)('%s does nothing else', async ([option, status, told]) => {
		const child = spawn(process.execPath, [DEMO, option], { cwd: folder });
		let output = '';
		child.stdout.on('data', (data) => (output += data));
		child.stderr.on('data', (data) => (output += data));
		expect(await once(child, 'close')).toEqual([status, null]);
		expect(output).toContain(told);
		expect(existsSync(join(folder, '.env'))).toBe(false);
	});
});
