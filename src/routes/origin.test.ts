import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { LifeboatError } from '../lib/server/errors.ts';
import { SECRET, untouchable, untouchableBackups } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';

// Every route of the app, called as SvelteKit calls it, at the address of an older deployment.

const OWN = 'https://app.example.com';
const OLD = 'https://0a1b2c3d.lifeboat.pages.dev';

/** Pages that reveal nothing but a person's own profile, whose session is in the database anyway. */
const OPEN = ['./+page.server.ts', './profile/+page.server.ts'];

type Handler = (event: never) => unknown;
type Module = Record<string, Handler | Record<string, Handler> | undefined>;

const modules = import.meta.glob<Module>('./**/+{server,page.server,layout.server}.ts', {
	eager: true,
});

/** Each handler of the routes that must refuse, with the path of its file. */
const handlers = Object.entries(modules)
	.filter(([path]) => !OPEN.includes(path))
	.flatMap(([path, { actions = {}, ...others }]) =>
		Object.entries({ ...others, ...actions }).map(([name, handler]) => ({
			...{ path, name },
			handler: handler as Handler,
		})),
	);

beforeEach(reset);

/** The code of the error with which a handler refuses, or what it does instead. */
async function outcome(handler: Handler, origin: string, bindings: object): Promise<string> {
	const url = new URL('/anywhere', origin);
	const settings = { TOTP_SECRET: SECRET, BACKUP_ORIGIN: OWN, BACKUP_ADMINS: '1' };
	const event = {
		...{ url, request: new Request(url), params: { filename: 'x' } },
		platform: { env: { ...settings, ...bindings } },
		locals: { auth: async () => null },
		getClientAddress: () => '192.0.2.1',
	};
	try {
		const answer = await handler(event as never);
		if (!(answer instanceof Response)) return 'answered';
		return ((await answer.json()) as { code?: string }).code ?? 'answered';
	} catch (error) {
		return error instanceof LifeboatError ? error.code : 'thrown';
	}
}

test('all routes are walked', () => {
	expect(Object.keys(modules)).toEqual(expect.arrayContaining(OPEN));
	expect(handlers.map(({ path, name }) => `${path} ${name}`).sort()).toEqual([
		'./api/backup/+server.ts GET',
		'./api/backup/+server.ts POST',
		'./api/backup/[filename]/+server.ts GET',
		'./api/backup/[filename]/+server.ts HEAD',
		'./api/backup/[filename]/+server.ts POST',
		'./api/backup/health/+server.ts GET',
		'./api/backup/journal/+server.ts GET',
		'./api/users/+server.ts GET',
		'./backups/+page.server.ts lift',
		'./backups/+page.server.ts load',
	]);
});

test.for(handlers)('$name of $path refuses an older deployment', async ({ handler }) => {
	const bindings = { DB: untouchable(), MY_BUCKET: untouchableBackups() };
	expect(await outcome(handler, OLD, bindings)).toBe('preview_refused');
});

test.for(handlers)("$name of $path works at the app's own address", async ({ handler }) => {
	const { DB, MY_BUCKET } = env;
	expect(await outcome(handler, OWN, { DB, MY_BUCKET })).not.toBe('preview_refused');
});
