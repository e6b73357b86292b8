import { type Dashboard, dashboardOf } from './dashboard.ts';
import type { Person } from './server/dashboard/visit.ts';
import { mount, type Options } from './mount.ts';
import type { Environment } from './server/environment.ts';
import type { Leg, WorkflowBinding } from './server/unattended/scheduled.ts';
import type { Self } from './server/unattended/self.ts';
import type { Turn } from './server/unattended/turn.ts';

export { LifeboatError } from './server/errors.ts';
export { harden } from './server/http/headers.ts';
export { errorResponse, presentable } from './server/http/respond.ts';
export type { Binding, Options } from './mount.ts';
export type {
	AccessPage,
	BackupPage,
	Dashboard,
	LogPage,
	Made,
	Outcome,
	Person,
	RetentionPage,
	RunPage,
	Shown,
	StatusPage,
} from './dashboard.ts';

/** The parts of SvelteKit's `RequestEvent` that Lifeboat uses. */
export interface Event {
	request: Request;
	url: URL;
	platform?: Readonly<Platform> | undefined;
	getClientAddress(): string;
}

/** What the adapter for Cloudflare provides. */
export interface Platform {
	env?: object;
	ctx?: { waitUntil(promise: Promise<unknown>): void };
	/** Its older name. */
	context?: { waitUntil(promise: Promise<unknown>): void };
}

/** How an app mounts Lifeboat. Everything is optional. */
export interface LifeboatOptions<E extends Event = Event> extends Options {
	/**
	 * The bindings and settings. By default those of `event.platform` or, where SvelteKit 3 gives none,
	 * those of `cloudflare:workers`.
	 */
	environment?(event: Event): object | Promise<object>;
	/** The binding of the Workflow that `lifeboat/workflow` exports: `BACKUP_WORKFLOW`. */
	workflow?: string;
	/**
	 * Whom the dashboard lets in: the person, or null for anybody else. Without it the dashboard refuses
	 * everybody. It may throw, such as a redirect to where people sign in.
	 */
	authorize?(event: E): Promise<Person | null>;
}

/** A tick of a Worker's schedule (Workers > Scheduled handler). */
export interface Tick {
	/** Milliseconds since 1970. */
	readonly scheduledTime: number;
}

/** Lifeboat as an app mounts it. */
export interface Lifeboat<E extends Event = Event> {
	/**
	 * A hook for SvelteKit's `handle`: it answers the calls of the backup API, and leaves every other
	 * request to the rest of the app. Put it first in a `sequence`.
	 */
	handle<R extends Event>(input: {
		event: R;
		resolve(event: R): Response | Promise<Response>;
	}): Promise<Response>;
	/**
	 * The handler of a Worker's schedule: makes the backups that are due, and drills the newest ones, as much
	 * as fits one call, and goes on in the next tick. Export it beside `fetch` (docs/workers.md). Throws a
	 * {@link LifeboatError} if something failed.
	 */
	scheduled(tick: Tick, env: object): Promise<void>;
	/** What `backupWorkflow` of `lifeboat/workflow` is made of. */
	unattended: {
		/** Takes the next turn of the app's own work. Throws {@link LifeboatError}. */
		turn(env: object): Promise<Turn>;
		/** Starts an instance of the Workflow, unless it was started before. */
		start(env: object, leg: Leg): Promise<void>;
		/** Sends an alert that a turn failed for good. */
		alert(env: object, reason: string): Promise<void>;
	};
	/**
	 * Requires that a request came to an address of production, and not to that of a preview. Throws
	 * `preview_refused` (403).
	 */
	requireOrigin(event: Event): Promise<void>;
	/** What the routes of the dashboard are made of: docs/library.md. */
	dashboard: Dashboard<E>;
}

/**
 * Mounts Lifeboat in an app. The engine is loaded with the first call that needs it. Throws
 * `options_invalid` (500).
 *
 * ```ts
 * export const handle = sequence(lifeboat().handle, auth);
 * ```
 */
export function lifeboat<E extends Event = Event>({
	environment,
	workflow = 'BACKUP_WORKFLOW',
	authorize,
	...options
}: LifeboatOptions<E> = {}): Lifeboat<E> {
	const mounted = mount(options);
	const within = `${mounted.path}/`;
	const envOf = async (event: Event) =>
		(await environment?.(event)) ?? (await platformOf(event)).env;
	const self = (env: object) => ({ env: mounted.environment(env), now: Date.now });
	const workflowOf = (env: object) =>
		(env as Record<string, WorkflowBinding | undefined>)[workflow];
	return {
		async scheduled({ scheduledTime }, env) {
			const { runScheduled } = await import('./server/unattended/scheduled.ts');
			await runScheduled(self(env), workflowOf(env), scheduledTime);
		},
		unattended: unattendedOf(self, workflowOf),
		async handle({ event, resolve }) {
			const { pathname, searchParams } = event.url;
			if (pathname !== mounted.path && !pathname.startsWith(within)) return resolve(event);
			const env = mounted.environment(await envOf(event), searchParams.get('database'));
			return answerApi(event, env, pathname.slice(within.length).replace(/\/$/, ''));
		},
		async requireOrigin(event) {
			const { requireOrigin } = await import('./server/access/origin.ts');
			requireOrigin(event.url, mounted.environment(await envOf(event)));
		},
		dashboard: dashboardOf<E>(async (event) => {
			const { request, url } = event;
			const { ctx, context } = await platformOf(event);
			const env = mounted.environment(await envOf(event), url.searchParams.get('database'));
			return {
				...{ request, url, env },
				address: event.getClientAddress() ?? '',
				keepAlive: (work) => (ctx ?? context)?.waitUntil(work),
				authorize: async () => (await authorize?.(event)) ?? null,
			};
		}),
	};
}

/** Answers a call of the API; `path` is what follows the API's own. */
async function answerApi(event: Event, env: Environment, path: string): Promise<Response> {
	const { answer } = await import('./server/http/api.ts');
	const { request, url } = event;
	const { ctx, context } = await platformOf(event);
	const platform = { env, ctx: ctx ?? context };
	const getClientAddress = () => event.getClientAddress();
	return answer({ request, url, platform, getClientAddress }, path);
}

function unattendedOf(
	self: (env: object) => Self,
	workflowOf: (env: object) => WorkflowBinding | undefined,
): Lifeboat['unattended'] {
	return {
		async turn(env) {
			const { takeTurn } = await import('./server/unattended/turn.ts');
			return takeTurn(self(env), 'workflow');
		},
		async start(env, leg) {
			const { startLeg } = await import('./server/unattended/scheduled.ts');
			const binding = workflowOf(env);
			if (binding) await startLeg(binding, leg);
		},
		async alert(env, reason) {
			const { alertOwn } = await import('./server/unattended/self.ts');
			await alertOwn(self(env), reason);
		},
	};
}

/**
 * The adapter for SvelteKit 3 gives no `event.platform`: what it had is in a module of the runtime
 * (Workers > Runtime APIs > Bindings; Context), whose name a bundler must not follow.
 */
async function platformOf({ platform }: Event): Promise<Platform> {
	if (platform?.env) return platform;
	const name = 'cloudflare:workers';
	try {
		const { env, waitUntil } = (await import(/* @vite-ignore */ name)) as Runtime;
		return { env, ctx: { waitUntil } };
	} catch {
		return {}; // outside workerd: the settings are reported as missing
	}
}

interface Runtime {
	env: object;
	waitUntil(promise: Promise<unknown>): void;
}
