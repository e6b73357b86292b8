import { choice, type Environment, invalidSetting, isLoopback, list } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

/**
 * The addresses that Cloudflare gives to each deployment and each branch, also of production, and to
 * each version of a Worker. They stay for good, with the secrets and bindings of their deployment. Not
 * all can be told: the host of a version begins with eight digits of its id, but an alias may be any
 * word, and `<alias>-<worker>` looks like the name of a Worker (Cloudflare Pages > Preview deployments;
 * Workers > Version URLs).
 */
const DEPLOYMENT_HOSTS = [
	/^[^.]+\.[^.]+\.pages\.dev\.?$/i,
	/^[0-9a-f]{8}-[^.]+\.[^.]+\.workers\.dev\.?$/i,
];

const NOT_SET =
	'BACKUP_ORIGIN is not set, so not every address of a preview or of an older deployment is refused. Set it to the origin of this app.';

/**
 * Requires that a request came to an origin in BACKUP_ORIGIN or, where that is not set, not to an
 * address that looks like that of a single deployment. BACKUP_ALLOW_PREVIEW set to `yes` allows every
 * address. Those of this machine are always allowed: Cloudflare routes by host name, so nobody reaches
 * a deployed app by them.
 *
 * Throws `preview_refused` (403), `backup_origin_invalid` and `backup_allow_preview_invalid` (500).
 */
export function requireOrigin(url: URL, env: Environment | undefined): void {
	const origins = originsOf(env);
	if (isFree(url, env)) return;
	const isOwn = origins.length > 0 ? origins.includes(url.origin) : !isDeployment(url);
	if (isOwn) return;
	throw new LifeboatError("This is not the app's own address.", {
		code: 'preview_refused',
		status: 403,
		hint: 'Previews and older deployments refuse. Call an origin that the setting BACKUP_ORIGIN names, or add this one there. To use backups in a preview, give previews bindings of their own (docs/deploy.md), and set BACKUP_ALLOW_PREVIEW to yes there.',
	});
}

/**
 * What to tell the callers of an app that can only guess which addresses are its own; null if it knows.
 * Throws `backup_origin_invalid` and `backup_allow_preview_invalid` (500).
 */
export function originWarning(url: URL, env: Environment | undefined): string | null {
	return originsOf(env).length > 0 || isFree(url, env) ? null : NOT_SET;
}

/**
 * Requires that a request that may change something was sent by a page of the same origin: browsers set
 * `Origin` themselves (Fetch standard, section 3.2). Throws `origin_foreign` (403).
 */
export function requireSameOrigin({ method, headers }: Request, { origin }: URL): void {
	if (method === 'GET' || method === 'HEAD' || headers.get('Origin') === origin) return;
	throw new LifeboatError('Another site sent this form, or it does not say which one.', {
		code: 'origin_foreign',
		status: 403,
		hint: 'Nothing was done. Open the dashboard itself, and send the form from there.',
	});
}

function originsOf(env: Environment | undefined): string[] {
	const origins = list(env, 'BACKUP_ORIGIN');
	const wrong = origins.findIndex((origin) => !isOrigin(origin)) + 1;
	if (wrong === 0) return origins;
	throw invalidSetting(
		'BACKUP_ORIGIN',
		"Set it to the app's origins, separated by spaces, such as https://app.example.com: in small letters, without a path or a slash at the end; http is for localhost only.",
		`Entry ${wrong} in BACKUP_ORIGIN is not an origin.`,
	);
}

function isOrigin(text: string): boolean {
	if (!URL.canParse(text)) return false;
	const { origin, protocol, hostname } = new URL(text);
	return (
		origin === text && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
	);
}

/** Whether no origin is checked. */
function isFree({ hostname }: URL, env: Environment | undefined): boolean {
	return choice(env, 'BACKUP_ALLOW_PREVIEW', ['no', 'yes']) === 'yes' || isLoopback(hostname);
}

function isDeployment({ hostname }: URL): boolean {
	return DEPLOYMENT_HOSTS.some((host) => host.test(hostname));
}
