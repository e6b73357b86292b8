import { redirect, type RequestEvent } from '@sveltejs/kit';
import { requireAdministrator } from '$accounts/administrators';
import { signedIn } from '$accounts/session';
import { liftLockout, readLockout, MAX_WRONG } from '$lib/server/access/lockout';
import { requireOrigin } from '$lib/server/access/origin';
import { accessSettings, lockoutScope } from '$lib/server/access/settings';
import { auditLogBucket, record } from '$lib/server/operations/audit-log';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
	const { session } = await administrator(event);
	const { bucket, ...settings } = accessSettings(event.platform?.env);
	const lock = await readLockout(bucket, lockoutScope(settings), Date.now());
	return { session, lock, maxWrong: MAX_WRONG, keyed: settings.apiKey !== null };
};

export const actions: Actions = {
	lift: async (event) => {
		const { id } = await administrator(event);
		const { platform, getClientAddress } = event;
		const { bucket, ...settings } = accessSettings(platform?.env);
		await liftLockout(bucket, lockoutScope(settings));
		await record(auditLogBucket(platform?.env), {
			time: new Date().toISOString(),
			operation: 'lift_lock',
			outcome: 'done',
			caller: { kind: 'administrator', account: id, address: getClientAddress() },
		});
		redirect(303, '/backups');
	},
};

/**
 * The administrator whose request this is. An older deployment may still list somebody who is none any
 * more, so it refuses. Throws what {@link requireOrigin} and {@link requireAdministrator} throw, and
 * redirects to the home page if nobody is signed in.
 */
async function administrator({
	locals,
	platform,
	url,
}: Pick<RequestEvent, 'locals' | 'platform' | 'url'>) {
	requireOrigin(url, platform?.env);
	const session = signedIn(await locals.auth());
	const id = await requireAdministrator(platform?.env, session.user.id);
	return { session, id };
}
