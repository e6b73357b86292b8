import { once } from 'node:events';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Manifest } from '../../lib/server/backup/format/manifest.ts';
import { openManifest } from '../../lib/server/backup/format/signature.ts';
import { decoded } from '../../lib/server/backup/storage/codec.ts';
import { backupKeys } from '../../lib/server/backup/settings.ts';
import { BackupApi } from '../client/api.ts';
import { describe } from '../terminal/command.ts';
import { isBuilt } from '../demo/build.ts';
import { compareDatabases, type Comparison } from '../demo/compare.ts';
import { openDatabase } from '../demo/database.ts';
import { loadSample } from '../demo/sample.ts';
import { Steps } from '../demo/steps.ts';
import { readEnvFile, readSetting } from '../secrets/dotenv.ts';
import { identitiesFor } from '../secrets/keys.ts';
import { run } from '../terminal/run.ts';
import { migrate, type Server, startServer } from '../embedded/server.ts';
import { shellWord } from '../terminal/text.ts';

/** Where wrangler keeps the embedded D1 and R2 (wrangler: --persist-to). */
const STATE = '.wrangler/state';
const SETUP = fileURLToPath(new URL('setup.ts', import.meta.url));
const USUAL_PORT = 5173;
/** Without these the app's pages only say that they are missing. */
const SIGN_IN_SETTINGS = ['GITHUB_ID', 'GITHUB_SECRET'];
/** What a shell reports of a program that Ctrl-C has ended. */
const INTERRUPTED = 130;

type Volume = Manifest['volumes'][number];

const HELP = `Usage: npm run demo [-- --exit]

Runs the app here, on D1 and R2 as they are embedded in wrangler, and proves one backup: fills
tables whose names begin with demo_, makes a backup over HTTP, restores it into another database,
and compares the two. Then the app keeps running until Ctrl-C.

Works in the current folder: .env gets secrets where it has none, .wrangler/state holds the data.

  --exit  end after the comparison: status 0, or 1 when something differs
  --help  show this
`;

async function main(): Promise<void> {
	const options = { exit: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
	const { values } = parseArgs({ options });
	if (values.help) return console.log(HELP);
	const interruption = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(name, () => interruption.abort());
	}
	try {
		await demonstrate({ keepRunning: !values.exit, signal: interruption.signal });
	} catch (error) {
		if (!interruption.signal.aborted) throw error;
		console.error('Stopped.');
		process.exitCode = INTERRUPTED;
	}
}

async function demonstrate(options: { keepRunning: boolean; signal: AbortSignal }): Promise<void> {
	const { keepRunning, signal } = options;
	const folder = await mkdtemp(join(tmpdir(), 'lifeboat-demo-'));
	// At exit, which comes even when a signal comes while a database is open.
	process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
	const steps = new Steps(signal);
	let server: Server | undefined;
	try {
		await prepare(steps, signal);
		server = await start(steps);
		const api = new BackupApi(server.url, readEnvFile(), signal); // as the app has them
		const volumes = await backUp(steps, api, folder);
		const file = await decode(steps, volumes, folder);
		const { differences } = await restore(steps, file, join(folder, 'state'), signal);
		console.log(`\n${steps}\n`);
		if (differences.length > 0) {
			console.error(`The copy differs:\n${differences.join('\n')}`);
			process.exitCode = 1;
		} else if (keepRunning) {
			await leaveRunning(server, volumes, signal);
		}
	} catch (error) {
		if (server && !signal.aborted) console.error(`What the app printed:\n${server.output()}`);
		throw error;
	} finally {
		await server?.stop();
	}
}

/** Makes everything that the app needs before it starts. */
async function prepare(steps: Steps, signal: AbortSignal): Promise<void> {
	await steps.take(
		'settings',
		'secrets in .env',
		() => run(process.execPath, [SETUP], { signal }),
		(said) => said.split('.\n')[0] ?? '',
	);
	await steps.take(
		'build',
		'vite build',
		async () => {
			const built = await isBuilt();
			if (!built) await run('vite', ['build'], { signal });
			return built;
		},
		(built) => (built ? 'nothing to do' : 'done'),
	);
	await steps.take(
		'fill',
		'migrations and sample data',
		async () => {
			await migrate(STATE);
			await using opened = await openDatabase(STATE);
			await loadSample(opened.database);
		},
		() => 'done',
	);
}

async function start(steps: Steps): Promise<Server> {
	const overrides = signInStandIns();
	const port = (await isFree(USUAL_PORT)) ? { port: USUAL_PORT } : {};
	return steps.take(
		'start',
		'wrangler pages dev',
		() => startServer({ persistTo: STATE, overrides, ...port }),
		({ url }) => url,
	);
}

/** Makes a backup and fetches its volumes into a folder. */
async function backUp(steps: Steps, api: BackupApi, folder: string): Promise<Volume[]> {
	const { name } = await steps.take(
		'back up',
		'POST /api/backup, with a one-time code',
		() => api.create(),
		({ rows, sqlBytes }) => `${count(rows)} rows, ${count(sqlBytes)} bytes of SQL`,
	);
	await steps.take(
		'list',
		'GET /api/backup',
		async () => {
			const backups = await api.list();
			if (backups[0]?.name !== name) throw new Error(`The list does not begin with ${name}.`);
			return backups;
		},
		(backups) => `${backups.length} listed, this one first`,
	);
	return steps.take(
		'fetch',
		'GET /api/backup/FILE',
		async () => {
			const { manifest } = openManifest(await api.manifest(name), backupKeys(readEnvFile()));
			for (const volume of manifest.volumes) {
				const sha256 = await api.download(volume.key, join(folder, volume.key));
				if (sha256 === volume.sha256) continue;
				throw new Error("The fetched file's SHA-256 is not the manifest's.");
			}
			return manifest.volumes;
		},
		(volumes) => {
			const bytes = volumes.reduce((sum, volume) => sum + volume.bytes, 0);
			const files = volumes.length === 1 ? '' : ` in ${volumes.length} files`;
			return `${count(bytes)} bytes${files}, SHA-256 as in the manifest`;
		},
	);
}

/** Writes fetched volumes as one file of SQL beside them, and returns its path. */
async function decode(steps: Steps, volumes: Volume[], folder: string): Promise<string> {
	const file = join(folder, 'backup.sql');
	const encodings = volumes[0]?.encodings ?? [];
	await steps.take(
		'decode',
		encodings.toReversed().join(', ') || 'as it is stored',
		async () => {
			for (const { key, encodings: own } of volumes) {
				const identities = identitiesFor(own, { unsigned: false });
				const stored = createReadStream(join(folder, key));
				await pipeline(decoded(stored, own, identities), createWriteStream(file, { flags: 'a' }));
			}
		},
		() => 'plain SQL',
	);
	return file;
}

/** The programs that take such encodings away, the last one first. */
function decoders(encodings: Volume['encodings'], identity: string): string[] {
	return encodings
		.toReversed()
		.map((encoding) => (encoding === 'gzip' ? 'gunzip' : `age -d -i ${identity}`));
}

/** Restores a file into a database in the folder `copy`, and compares that with the app's. */
async function restore(
	steps: Steps,
	file: string,
	copy: string,
	signal: AbortSignal,
): Promise<Comparison> {
	await steps.take(
		'restore',
		'wrangler d1 execute DB --local --file FILE',
		() => {
			const target = ['d1', 'execute', 'DB', '--local', '--persist-to', copy];
			return run('wrangler', [...target, '--file', file, '--yes'], { signal });
		},
		() => 'into another database',
	);
	return steps.take(
		'compare',
		'every row, definition and search',
		async () => {
			await using before = await openDatabase(STATE);
			await using after = await openDatabase(copy);
			return await compareDatabases(before.database, after.database);
		},
		({ tables, rows, searches, differences }) =>
			differences.length > 0
				? 'different: see below'
				: `${tables} tables, ${count(rows)} rows, ${searches} searches: same`,
	);
}

/** Something for each setting that `.env` lacks. GitHub turns it down, but the home page shows. */
function signInStandIns(): Record<string, string> {
	const values = readEnvFile();
	const missing = SIGN_IN_SETTINGS.filter((name) => !values[name]?.trim());
	return Object.fromEntries(missing.map((name) => [name, 'missing']));
}

async function isFree(port: number): Promise<boolean> {
	const server = createServer().listen(port, '127.0.0.1');
	const free = await once(server, 'listening').then(
		() => true,
		() => false,
	);
	server.close();
	return free;
}

async function leaveRunning(
	{ url, pid }: Server,
	volumes: Volume[],
	signal: AbortSignal,
): Promise<void> {
	console.log(next(url, volumes));
	while (!signal.aborted) {
		if (!isRunning(pid)) throw new Error('The app has ended by itself.');
		await sleep(500);
	}
}

function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}

function count(number: number): string {
	return number.toLocaleString('en');
}

function next(url: string, volumes: Volume[]): string {
	const key = readSetting('BACKUP_API_KEY') ? ' -H "X-API-Key: $BACKUP_API_KEY"' : '';
	const curl = `curl -H "Authorization: Bearer $(node genTotp.js)"${key}`;
	const fetch = volumes.map(({ key, encodings }, index) => {
		const words = [
			`${curl} ${url}/api/backup/${key}`,
			...decoders(encodings, shellWord(readSetting('AGE_IDENTITY_FILE'))),
		];
		return `${words.join(' | ')} ${index === 0 ? '>' : '>>'} backup.sql`;
	});
	return `The app is running at ${url} until Ctrl-C. In another terminal, in this folder:

  ${curl} -X POST ${url}/api/backup
  ${curl} ${url}/api/backup
  ${fetch.join('\n  ')}

A code starts one backup: right after the demo's own, the first of these has to wait for the next code,
30 seconds at most. Signing in needs GITHUB_ID and GITHUB_SECRET in .env: see docs/deploy.md.
`;
}

main().catch((error: unknown) => {
	console.error(describe(error));
	process.exitCode = 1;
});
