import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { LifeboatError, lifeboat } from '../lib/index.ts';
import { SECRET, untouchable, untouchableBackups } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';

// Every route of the app and of the backup API, called as SvelteKit calls it, at the address of an older deployment.

const OWN = 'https://app.example.com';
const OLD = 'https://0a1b2c3d.lifeboat.pages.dev';

/** Pages that reveal nothing but a person's own profile, whose session is in the database anyway. */
const OPEN = ['./+page.server.ts', './backups/+layout.server.ts', './profile/+page.server.ts'];

type Handler = (event: never) => unknown;
type Module = Record<string, Handler | Record<string, Handler> | undefined>;

const modules = import.meta.glob<Module>('./**/+{server,page.server,layout.server}.ts', {
	eager: true,
});

/** The calls of the API, which the hook answers. */
const API = [
	['GET', ''],
	['POST', ''],
	['GET', '/x'],
	['HEAD', '/x'],
	['POST', '/x'],
	['GET', '/check'],
	['GET', '/health'],
	['GET', '/journal'],
	['GET', '/lockout'],
	['POST', '/lockout'],
].map(([name = '', rest]) => ({
	path: `/api/backup${rest}`,
	name,
	handler: ((event: { url: URL }) => {
		const url = new URL(`/api/backup${rest}`, event.url);
		const request = new Request(url, { method: name });
		const resolve = () => new Response('unknown to the API', { status: 404 });
		return lifeboat().handle({ event: { ...event, url, request } as never, resolve });
	}) as Handler,
}));

/** Each handler of the routes that must refuse, with the path of its file. */
const handlers = Object.entries(modules)
	.filter(([path]) => !OPEN.includes(path))
	.flatMap(([path, { actions = {}, ...others }]) =>
		Object.entries({ ...others, ...actions }).map(([name, handler]) => ({
			...{ path, name },
			handler: handler as Handler,
		})),
	)
	.concat(API);

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
		if (!(answer instanceof Response)) return codeOfForm(answer) ?? 'answered';
		if (answer.body === null) return String(answer.status); // of a HEAD
		return ((await answer.json()) as { code?: string }).code ?? 'answered';
	} catch (error) {
		return error instanceof LifeboatError ? error.code : 'thrown';
	}
}

/** The code in what a form answers, which goes to its page. */
function codeOfForm(answer: unknown): string | undefined {
	const { data } = (answer ?? {}) as { data?: { failure?: { code: string } } };
	return data?.failure?.code;
}

test('all routes are walked', () => {
	expect(Object.keys(modules)).toEqual(expect.arrayContaining(OPEN));
	expect(handlers.map(({ path, name }) => `${path} ${name}`).sort()).toEqual([
		'./api/users/+server.ts GET',
		'./backups/+page.server.ts load',
		'./backups/[name]/+page.server.ts drill',
		'./backups/[name]/+page.server.ts load',
		'./backups/[name]/+page.server.ts pin',
		'./backups/[name]/+page.server.ts remove',
		'./backups/[name]/+page.server.ts unmark',
		'./backups/[name]/+page.server.ts unpin',
		'./backups/[name]/+page.server.ts verify',
		'./backups/[name]/download/+server.ts POST',
		'./backups/access/+page.server.ts lift',
		'./backups/access/+page.server.ts load',
		'./backups/log/+page.server.ts load',
		'./backups/retention/+page.server.ts load',
		'./backups/retention/+page.server.ts prune',
		'./backups/run/+page.server.ts begin',
		'./backups/run/+page.server.ts load',
		'./backups/run/+page.server.ts proceed',
		'./backups/run/+page.server.ts start',
		'./backups/run/steps/+server.ts POST',
		'/api/backup GET',
		'/api/backup POST',
		'/api/backup/check GET',
		'/api/backup/health GET',
		'/api/backup/journal GET',
		'/api/backup/lockout GET',
		'/api/backup/lockout POST',
		'/api/backup/x GET',
		'/api/backup/x HEAD',
		'/api/backup/x POST',
	]);
});

test.for(handlers)('$name of $path refuses an older deployment', async ({ handler }) => {
	const bindings = { DB: untouchable(), MY_BUCKET: untouchableBackups() };
	expect(['preview_refused', '403']).toContain(await outcome(handler, OLD, bindings));
});

test.for(handlers)("$name of $path works at the app's own address", async ({ handler }) => {
	const { DB, MY_BUCKET } = env;
	expect(['preview_refused', '403']).not.toContain(await outcome(handler, OWN, { DB, MY_BUCKET }));
});
