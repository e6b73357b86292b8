import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, killGroup } from '../../src/cli/embedded/server.ts';

// An app of somebody's own, as its maker has it before Lifeboat is added.

/** Pinned, so that a run is about Lifeboat. */
const SV = 'sv@0.17.1';
/** The newest that the runtime of any wrangler since knows: sv takes today's. */
const DATE = '2026-11-01';
const START_MS = 120_000;

/** What an app is made of. */
export interface Kind {
	/** Whether it runs as a Worker, else as Pages. */
	isWorker: boolean;
	/** Add-ons of sv besides the adapter. */
	addOns: readonly string[];
	/** The bindings of its databases. */
	databases: readonly string[];
	/** The binding of a bucket that it has for backups; null for none. */
	bucket: string | null;
}

/** The problems that the app's own tools find. */
export interface Problems {
	types: number;
	lint: number;
	format: number;
}

/** An app in a folder of its own. */
export class OwnApp {
	readonly folder: string;
	readonly #parent = mkdtempSync(join(tmpdir(), 'lifeboat-own-'));
	readonly #kind: Kind;
	#stop = () => {};

	constructor(kind: Kind) {
		this.#kind = kind;
		this.folder = join(this.#parent, 'app');
	}

	/** Makes the app as its maker would, and remembers it in git. */
	create(): void {
		const { isWorker, addOns } = this.#kind;
		const target = `cfTarget:${isWorker ? 'workers' : 'pages'}`;
		const adapter = `sveltekit-adapter=adapter:cloudflare+${target}`;
		const args = ['create', 'app', '--template', 'minimal', '--types', 'ts', '--no-dir-check'];
		const more = ['--add', 'prettier', 'eslint', adapter, ...addOns, '--no-download-check'];
		this.#run('npx', ['-y', SV, ...args, ...more, '--install', 'npm'], this.#parent);
		// The registry may have another newest version of better-auth than of its command.
		if (addOns.some((name) => name.startsWith('better-auth'))) {
			const { version } = this.#json('node_modules/auth/package.json');
			this.#run('npm', ['install', '-D', '--no-audit', '--no-fund', `better-auth@${version}`]);
		}
		this.#configure();
		this.#run('npx', ['wrangler', 'types']);
		this.#run('npx', ['prettier', '--write', '.']);
		this.#run('git', ['init', '--quiet']);
		this.#run('git', ['add', '--all']);
		const author = ['-c', 'user.name=maker', '-c', 'user.email=maker@example.com'];
		this.#run('git', [...author, 'commit', '--quiet', '--message', 'An app']);
	}

	/** Adds the bindings that the maker has by the time there is something to back up. */
	#configure(): void {
		const { databases, bucket } = this.#kind;
		const path = join(this.folder, 'wrangler.jsonc');
		const id = (index: number) => `00000000-0000-0000-0000-00000000000${index}`;
		const bindings = {
			d1_databases: databases.map((binding, index) => ({
				binding,
				database_name: binding.toLowerCase().replaceAll('_', '-'),
				database_id: id(index),
			})),
			...(bucket !== null && { r2_buckets: [{ binding: bucket, bucket_name: 'app-backups' }] }),
		};
		const text = readFileSync(path, 'utf8')
			.replace(/"compatibility_date": "[\d-]+"/, `"compatibility_date": "${DATE}"`)
			.replace(/\n\}\s*$/, `,\n${JSON.stringify(bindings, null, '\t').slice(2)}\n`);
		writeFileSync(path, text);
	}

	/** Runs SQL in one of its local databases. */
	execute(binding: string, sql: string): void {
		this.#run('npx', ['wrangler', 'd1', 'execute', binding, '--local', '--command', sql]);
	}

	/** Runs a command of Lifeboat as its user does; returns what it prints on standard output. */
	lifeboat(...args: string[]): string {
		return this.#run('npx', ['lifeboat', ...args]);
	}

	/** Says that the app is on the paid plan, where a run over several databases has no pauses. */
	usePaidPlan(): void {
		const path = join(this.folder, '.env');
		writeFileSync(path, readFileSync(path, 'utf8').replace(/^BACKUP_PLAN=$/m, 'BACKUP_PLAN=paid'));
	}

	/** Runs a program of npm. */
	npm(...args: string[]): void {
		this.#run('npm', args);
	}

	/** Generates the types of the bindings and builds the app. */
	build(): void {
		this.#run('npx', ['wrangler', 'types']);
		this.#run('npx', ['prettier', '--write', 'worker-configuration.d.ts']);
		this.#run('npm', ['run', 'build']);
	}

	/** Starts the built app; from then on Lifeboat's commands call it. */
	async start(): Promise<void> {
		const port = await freePort();
		const what = this.#kind.isWorker ? ['dev'] : ['pages', 'dev', '.svelte-kit/cloudflare'];
		const ports = ['--port', String(port), '--inspector-port', String(await freePort())];
		const child = spawn('npx', ['wrangler', ...what, '--ip', '127.0.0.1', ...ports], {
			cwd: this.folder,
			detached: true,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		let output = '';
		child.stdout.on('data', (data) => (output += data));
		child.stderr.on('data', (data) => (output += data));
		this.#stop = () => killGroup(child);
		process.env['BACKUP_URL'] = `http://127.0.0.1:${port}`;
		const deadline = Date.now() + START_MS;
		while (Date.now() < deadline) {
			try {
				await fetch(`${process.env['BACKUP_URL']}/api/backup/health`);
				return;
			} catch {
				await new Promise((resolve) => setTimeout(resolve, 200));
			}
		}
		throw new Error(`The app did not start.\n${output}`);
	}

	/** What svelte-check, ESLint and Prettier find. */
	problems(): Problems {
		const count = (args: string[], form: RegExp) => {
			const { stdout, stderr } = spawnSync('npx', args, { cwd: this.folder, encoding: 'utf8' });
			return (stdout + stderr).match(form)?.length ?? 0;
		};
		this.#run('npx', ['svelte-kit', 'sync']);
		return {
			types: count(['svelte-check', '--output', 'machine'], /^\d+ (ERROR|WARNING) /gm),
			lint: count(['eslint', '.'], /^ +\d+:\d+ +(error|warning) /gm),
			format: count(['prettier', '--check', '.'], /^\[warn\] (?!Code style)/gm),
		};
	}

	/**
	 * Lines that the app has more than when it was made, without those that npm and wrangler generate, and
	 * without the files that are Lifeboat's own.
	 */
	addedLines(): number {
		const generated = [':!package*.json', ':!worker-configuration.d.ts'];
		const numbers = this.#run('git', ['diff', '--numstat', '--', '.', ...generated]);
		const lines = numbers.split('\n').map((line) => line.split('\t').map(Number));
		return lines.reduce((sum, [added = 0, removed = 0]) => sum + (added || 0) - (removed || 0), 0);
	}

	/** Ends the app and removes it. */
	remove(): void {
		this.#stop();
		rmSync(this.#parent, { recursive: true, force: true, maxRetries: 5 });
	}

	#json(path: string): { version: string } {
		return JSON.parse(readFileSync(join(this.folder, path), 'utf8')) as { version: string };
	}

	#run(program: string, args: readonly string[], cwd = this.folder): string {
		return execFileSync(program, args, {
			cwd,
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'pipe'],
		});
	}
}
