import { choice, type Environment } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

/**
 * The addresses that Cloudflare gives to each deployment and each branch, also of production. They
 * stay forever, with the secrets and bindings of their deployment (Cloudflare Pages > Preview
 * deployments).
 */
const DEPLOYMENT_HOST = /^[^.]+\.[^.]+\.pages\.dev\.?$/i;

/**
 * Refuses calls at the address of a single deployment, unless BACKUP_ALLOW_PREVIEW is `yes`. Throws
 * `preview_refused` (403), `backup_allow_preview_invalid` (500).
 */
export function requireProduction({ hostname }: URL, env: Environment | undefined): void {
	const isAllowed = choice(env, 'BACKUP_ALLOW_PREVIEW', ['no', 'yes']) === 'yes';
	if (isAllowed || !DEPLOYMENT_HOST.test(hostname)) return;
	throw new LifeboatError('This is the address of a preview, or of an older deployment.', {
		code: 'preview_refused',
		status: 403,
		hint: "Call the app's own address. To use backups in a preview, give previews bindings of their own (docs/deploy.md), and set BACKUP_ALLOW_PREVIEW to yes there.",
	});
}
