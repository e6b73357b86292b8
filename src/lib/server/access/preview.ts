import type { Environment } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

/**
 * The addresses that Cloudflare gives to each deployment and to each branch, of production too: they stay
 * for good, with the secrets and bindings that they were deployed with (Cloudflare: Pages, Preview
 * deployments).
 */
const OF_A_DEPLOYMENT = /^[^.]+\.[^.]+\.pages\.dev\.?$/i;

/**
 * Throws `preview_refused` (403) where the app is called at such an address and BACKUP_ALLOW_PREVIEW is
 * not `yes`, and `backup_allow_preview_invalid` (500) where it is something else.
 */
export function requireProduction({ hostname }: URL, env: Environment | undefined): void {
	const allow = env?.BACKUP_ALLOW_PREVIEW?.trim().toLowerCase() || 'no';
	if (allow !== 'yes' && allow !== 'no') throw notUnderstood();
	if (allow === 'yes' || !OF_A_DEPLOYMENT.test(hostname)) return;
	throw new LifeboatError('This is the address of a preview, or of an older deployment.', {
		code: 'preview_refused',
		status: 403,
		hint: "Call the app's own address. docs/deploy.md tells how previews get bindings of their own; with those, set BACKUP_ALLOW_PREVIEW to yes there.",
	});
}

function notUnderstood(): LifeboatError {
	return new LifeboatError('The setting BACKUP_ALLOW_PREVIEW is not understood.', {
		code: 'backup_allow_preview_invalid',
		status: 500,
		hint: 'Set it to yes, or leave it out.',
	});
}
