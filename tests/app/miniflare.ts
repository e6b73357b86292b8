import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Miniflare, MiniflareOptions } from 'miniflare';
import { folderOf } from '../../src/cli/embedded/file.ts';
import { COMPATIBILITY_DATE } from '../../src/cli/embedded/local.ts';
import type { Server } from '../../src/cli/embedded/server.ts';
import { childEnvironment } from '../../src/cli/terminal/environment.ts';
import { DATABASE_ID } from '../local-database.ts';
import { sharedFolder } from './shared.ts';

// The built app and its state without wrangler, whose start takes three seconds of a core.

type Env = NonNullable<MiniflareOptions['workers'][number]['config']['env']>;

const MODULE = '_worker.js';
const BUILT = '.svelte-kit/cloudflare';
/** The types of the app's static files. */
const TYPES: Record<string, string> = {
	'.css': 'text/css',
	'.js': 'text/javascript',
	'.json': 'application/json',
	'.png': 'image/png',
	'.svg': 'image/svg+xml',
};

/**
 * Starts the built app as Pages, with its state in a folder: the bundle that wrangler makes for Pages, run by
 * Miniflare in this process, on a free port if none is given.
 */
export async function startInMiniflare(
	folder: string,
	vars: Record<string, string>,
	port = 0,
): Promise<Pick<Server, 'url' | 'output' | 'stop'>> {
	const { Response } = await import('miniflare'); // takes a quarter of a second
	const texts = Object.entries(vars).map(([name, value]) => [name, { type: 'text', value }]);
	const env = Object.fromEntries(texts) as Env;
	env['ASSETS'] = {
		type: 'fetcher',
		async handler({ url }) {
			const { pathname } = new URL(url);
			const bytes = await readFile(join(BUILT, pathname)).catch(() => null);
			const headers = { 'Content-Type': TYPES[extname(pathname)] ?? 'application/octet-stream' };
			return bytes ? new Response(bytes, { headers }) : new Response(null, { status: 404 });
		},
	};
	let output = '';
	const onLog = (line: string) => (output += `${line}\n`);
	const miniflare = await open(folder, { contents: await bundle(), more: env, port, onLog });
	const { origin: url } = await miniflare.ready;
	return { url, output: () => output, stop: () => miniflare.dispose() };
}

/** Opens the database and the bucket in a folder. */
export function openState(folder: string): Promise<Miniflare> {
	return open(folder, { contents: 'export default {}', more: {}, port: 0, onLog() {} });
}

interface Opened {
	/** The Worker's module. */
	contents: string;
	/** Its other bindings. */
	more: Env;
	port: number;
	onLog(line: string): void;
}

async function open(folder: string, { contents, more, port, onLog }: Opened): Promise<Miniflare> {
	const { Miniflare } = await import('miniflare');
	const env: Env = {
		...more,
		DB: { type: 'd1', id: DATABASE_ID }, // as in wrangler.toml
		MY_BUCKET: { type: 'r2', name: 'lifeboat-backups' },
	};
	const manifest = {
		mainModule: MODULE,
		modulesRoot: '/',
		modules: { [MODULE]: { type: 'esm' as const, contents } },
	};
	return new Miniflare({
		host: '127.0.0.1',
		port,
		cf: false, // otherwise it asks Cloudflare for the properties of requests
		resourcePersistencePath: folderOf(folder),
		handleStructuredLogs: ({ message }) => onLog(message),
		workers: [
			{ config: { name: 'lifeboat', compatibilityDate: COMPATIBILITY_DATE, manifest, env } },
		],
	});
}

/** What `wrangler pages deploy` uploads as the app's Worker; made once in a run of the tests. */
async function bundle(): Promise<string> {
	const path = join(sharedFolder(), MODULE);
	if (!existsSync(path)) {
		const outdir = mkdtempSync(join(sharedFolder(), 'bundle-'));
		const args = ['--build-output-directory', BUILT, '--outdir', outdir];
		await promisify(execFile)('wrangler', ['pages', 'functions', 'build', ...args], {
			env: childEnvironment(),
		});
		renameSync(join(outdir, MODULE), path); // two workers may make it at once
	}
	return readFileSync(path, 'utf8');
}
