import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LONG } from '../counts.ts';
import {
	type Installed,
	installPackage,
	runLifeboat,
	runNode,
	withoutDependencies,
} from './package.ts';

let installed: Installed;
let app: string;
beforeAll(() => {
	installed = installPackage(['wrangler', '@cloudflare/workers-types', 'svelte']);
	({ app } = installed);
}, 300_000);
afterAll(() => rmSync(app, { recursive: true }));

/** What an app needs, and nothing else. */
const PACKED = [
	/^(package\.json|README\.md|LICENSE|genTotp\.js|src\/lib\/totp\.js|\.env\.example)$/,
	/^\.github\/workflows\/(backup|restore-drill)\.yml$/,
	/^dist\/cli\/[\w/-]+\.js$/,
	/^dist\/lib\/[\w/-]+\.(js|d\.ts)$/,
	/^dist\/lib\/components\/tokens\.css$/,
	/^dist\/lib\/[\w/-]+\.svelte(\.d\.ts)?$/,
];

describe('the packed files', () => {
	test('are those that an app needs, and nothing else', () => {
		const others = installed.files.filter((path) => !PACKED.some((form) => form.test(path)));
		expect(others).toEqual([]);
		expect(installed.files).toContain('dist/lib/index.d.ts');
		expect(installed.size).toBeLessThan(600_000);
	});

	test('name the commands as an app has them that installed the package', () => {
		const modules = installed.files.filter((path) => /^dist\/.+\.(js|d\.ts)$/.test(path));
		const texts = modules.map((path) =>
			readFileSync(join(app, 'node_modules/lifeboat', path), 'utf8'),
		);
		const calls = texts.join('\n').match(/npm run\s+[\w$]\S* ?[\w-]*/g) ?? [];
		expect(
			new Set(calls.filter((call) => !/^npm run (build|preview|migrate)\b/.test(call))),
		).toEqual(new Set());
		expect(texts.join('\n')).toContain('npx lifeboat drill');
	});

	test('have all that package.json names', () => {
		const { exports, bin } = readJson(join(app, 'node_modules/lifeboat/package.json'));
		const paths = pathsIn([exports, bin]);
		const isPacked = (path: string) => {
			const form = formOf(path.replace(/^\.\//, ''));
			return installed.files.some((file) => form.test(file));
		};
		const missing = paths.filter((path) => !isPacked(path));
		expect(paths.length).toBeGreaterThan(10);
		expect(missing).toEqual([]);
	});

	test('import only files that are packed too', () => {
		const missing = installed.files
			.filter((path) => path.startsWith('dist/') && path.endsWith('.js'))
			.flatMap((path) => importsOf(join(app, 'node_modules/lifeboat', path)))
			.filter((path) => !existsSync(path));
		expect(missing).toEqual([]);
	});
});

function readJson(path: string): { exports: unknown; bin: unknown } {
	return JSON.parse(readFileSync(path, 'utf8')) as { exports: unknown; bin: unknown };
}

/** The texts in an object, however deep. */
function pathsIn(value: unknown): string[] {
	if (typeof value === 'string') return [value];
	return Object.values(value ?? {}).flatMap(pathsIn);
}

/** The form of the paths that a path of `exports` stands for, with `*` for any part of them. */
function formOf(path: string): RegExp {
	return new RegExp(`^${path.split('*').map(RegExp.escape).join('.+')}$`);
}

/** The paths that a module imports, however it does. */
function importsOf(path: string): string[] {
	const found = readFileSync(path, 'utf8').matchAll(
		/(?:from|import\(|import) ?["'](\.[^"'\n]+)["']/g,
	);
	return Array.from(found, ([, specifier = '']) => join(path, '..', specifier));
}

describe('the library', () => {
	const evaluate = (code: string) => runNode(app, ['--input-type=module', '--eval', code]).output;

	test('is imported by its names', () => {
		const names = evaluate(`
			const { lifeboat } = await import('lifeboat');
			const { TOTP } = await import('lifeboat/totp');
			console.log(typeof lifeboat, typeof TOTP);
		`);
		expect(names).toBe('function function\n');
	});

	test('has the script of the status page, which imports nothing', () => {
		const url = evaluate("console.log(import.meta.resolve('lifeboat/live.js'))").trim();
		const script = readFileSync(new URL(url), 'utf8');
		expect(script).toContain('time[data-local]');
		expect(script).not.toMatch(/^import /m);
	});

	test('answers a call, with all that it loads for one', () => {
		const answer = evaluate(`
			import { lifeboat } from 'lifeboat';
			const url = new URL('https://app.example.com/api/backup');
			const event = { request: new Request(url), url, platform: { env: {} }, getClientAddress: () => '192.0.2.1' };
			const response = await lifeboat().handle({ event, resolve: () => new Response() });
			console.log(response.status, (await response.json()).code);
		`);
		expect(answer).toContain('\n500 totp_secret_missing\n');
	});

	test('has its routes for apps that mount them by files', () => {
		const status = evaluate(`
			const { GET, POST } = await import('lifeboat/routes/backups');
			const url = new URL('https://app.example.com/api/backup');
			const event = { request: new Request(url), url, params: {}, platform: { env: {} }, getClientAddress: () => '192.0.2.1' };
			const names = ['file', 'check', 'health', 'audit-log', 'lockout'];
			const routes = await Promise.all(names.map((name) => import('lifeboat/routes/' + name)));
			console.log((await GET(event)).status, typeof POST, routes.map(({ GET }) => typeof GET).join());
		`);
		expect(status).toContain('500 function function,function,function,function,function\n');
	});

	test('does not let other modules of it be imported', () => {
		expect(evaluate("await import('lifeboat/server/errors.js')")).toContain(
			'ERR_PACKAGE_PATH_NOT_EXPORTED',
		);
	});

	const APP = `
import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { type Lifeboat, lifeboat, LifeboatError } from 'lifeboat';
import { TOTP } from 'lifeboat/totp';
import * as auth from 'lifeboat/auth';
import * as route from 'lifeboat/routes/backups';
import * as workflow from 'lifeboat/workflow';

interface Env { APP_DB: D1Database; STATS: D1Database; FILES: R2Bucket }

export const backups: Lifeboat = lifeboat({
	databases: { main: 'APP_DB', stats: (env: Env) => env.STATS },
	bucket: (env: Env) => env.FILES,
});
export const code: Promise<string> = new TOTP('').generateTOTP(0);
export const entries = [auth.storedToken, route.POST, workflow];
export const isOurs = (error: unknown) => error instanceof LifeboatError && error.status;
// @ts-expect-error a bucket is no database
lifeboat({ databases: { main: (env: Env) => env.FILES } });
`;

	/** TypeScript finds the types of a component only as a bundler does, which an app with Svelte has. */
	const COMPONENTS = `
import { Verdict } from 'lifeboat/components';
import { StatusPage } from 'lifeboat/dashboard';
export const components = [Verdict, StatusPage];
`;

	// What suits `nodenext`, with its endings in imports, suits a bundler, as a rule.
	test.for(LONG ? ['bundler', 'nodenext'] : ['nodenext'])(
		'has types for strict TypeScript that resolves modules as %s does',
		(moduleResolution) => {
			const isBundler = moduleResolution === 'bundler';
			const compilerOptions = {
				...{ strict: true, exactOptionalPropertyTypes: true },
				// A new app of SvelteKit looks at no types of packages; here all but TypeScript's own.
				...{ skipLibCheck: false, skipDefaultLibCheck: true },
				...{ noEmit: true, target: 'esnext', lib: ['esnext', 'dom'], types: [] },
				...{ module: isBundler ? 'esnext' : 'nodenext', moduleResolution },
			};
			const config = { compilerOptions, files: ['app.ts'] };
			writeFileSync(join(app, 'app.ts'), isBundler ? APP + COMPONENTS : APP);
			writeFileSync(join(app, 'tsconfig.json'), JSON.stringify(config));
			const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
			expect(runNode(app, [tsc, '-p', app])).toEqual({ status: 0, output: '' });
		},
	);
});

describe('lifeboat', () => {
	const commandsOf = () =>
		installed.files.flatMap((path) => /^dist\/cli\/commands\/(.+)\.js$/.exec(path)?.[1] ?? []);

	test('lists every command', () => {
		const { status, output } = runLifeboat(app, ['--help']);
		const listed = Array.from(output.matchAll(/^ {2}([a-z]+) {2,}\S/gm), ([, name]) => name);
		expect(listed.toSorted()).toEqual([...commandsOf(), 'totp'].toSorted());
		expect(status).toBe(0);
	});

	test('runs each of them', () => {
		for (const name of commandsOf().filter((one) => one !== 'backup')) {
			const { status, output } = runLifeboat(app, [name, '--help']);
			expect(output, name).toMatch(/^Usage: /);
			expect(status).toBe(0);
		}
	});

	test.for([['pin'], ['prune', 'more'], ['check', 'more']])('%s names its help', (args) => {
		const { status, output } = runLifeboat(app, args);
		expect(output.trim()).toMatch(
			new RegExp(`\\. \`npx lifeboat ${args[0]} --help\` explains\\.$`),
		);
		expect(status).toBe(2);
	});

	test.for([{ args: [] }, { args: ['unknown'] }, { args: ['../index'] }])(
		'refuses $args',
		({ args }) => {
			const { status, output } = runLifeboat(app, args);
			expect(output).toMatch(args.length === 0 ? /^Usage: / : /^There is no command/);
			expect(status).toBe(2);
		},
	);

	test('makes backups with no other package installed', () => {
		const folder = withoutDependencies(installed);
		const { status, output } = runLifeboat(folder, ['backup']);
		expect(output).toContain('BACKUP_URL');
		expect(output).not.toContain('ERR_MODULE_NOT_FOUND');
		expect(status).toBe(1);
		rmSync(folder, { recursive: true });
	});

	test('restores with the wrangler of the app, which alone has Miniflare', () => {
		writeFileSync(
			join(app, 'notes.sql'),
			"CREATE TABLE notes (text);\nINSERT INTO notes VALUES ('a');\n",
		);
		writeFileSync(
			join(app, 'wrangler.toml'),
			'name = "app"\ncompatibility_date = "2026-11-01"\n[[d1_databases]]\nbinding = "DB"\ndatabase_id = "x"\n',
		);
		const { status, output } = runLifeboat(app, ['restore', 'notes.sql', '--to', 'local']);
		expect(output).toContain('notes');
		expect(status).toBe(0);
	});

	test('says which wrangler it lacks', () => {
		const folder = withoutDependencies(installed);
		const { output } = runNode(folder, [
			'--eval',
			"import('./node_modules/lifeboat/dist/cli/embedded/wrangler.js').then((m) => m.loadWrangler())",
		]);
		expect(output).toContain('wrangler is not installed here.');
		rmSync(folder, { recursive: true });
	});
});

describe('an older Node', () => {
	const SENTENCE = /^Lifeboat's commands need Node 24\.10 or newer; this is v\d+\.\d+\.\d+\. /;
	const older = ['/usr/bin/node', '/usr/local/bin/node'].find(isOlder);

	test('is told apart by its version', () => {
		const versions = { '20.19.0': 2, '24.9.0': 2, '24.10.0': 0, '25.0.0': 0 };
		for (const [version, expected] of Object.entries(versions)) {
			const fake = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;
			const bin = 'node_modules/lifeboat/dist/cli/bin/lifeboat.js';
			const { status, output } = runNode(app, ['--import', fake, bin, '--help']);
			expect(output).toMatch(expected === 0 ? /^Usage: / : SENTENCE);
			expect(status, version).toBe(expected);
		}
	});

	test.skipIf(!older)('gets a sentence, and codes', () => {
		const { status, output } = runLifeboat(app, ['backup', '--help'], older);
		expect(output).toMatch(SENTENCE);
		expect(status).toBe(2);
		writeFileSync(join(app, '.env'), 'TOTP_SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n');
		expect(runLifeboat(app, ['totp'], older)).toMatchObject({
			status: 0,
			output: expect.stringMatching(/^\d{6}\n$/),
		});
	});

	function isOlder(node: string): boolean {
		if (!existsSync(node)) return false;
		const [major] = execFileSync(node, ['--print', 'process.versions.node'], {
			encoding: 'utf8',
		}).split('.');
		return Number(major) < 24;
	}
});
