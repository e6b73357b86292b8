import { redirect } from '@sveltejs/kit';
import { requireAdministrator } from '$accounts/administrators';
import { liftLockout, readLockout, MAX_WRONG } from '$lib/server/access/lockout';
import { accessSettings, lockoutScope } from '$lib/server/access/settings';
import { auditLogBucket, record } from '$lib/server/operations/audit-log';
import { signedIn } from '$accounts/session';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, platform }) => {
	const session = signedIn(await locals.auth());
	await requireAdministrator(platform?.env, session.user.id);
	const { bucket, ...settings } = accessSettings(platform?.env);
	const lock = await readLockout(bucket, lockoutScope(settings), Date.now());
	return { session, lock, maxWrong: MAX_WRONG, keyed: settings.apiKey !== null };
};

export const actions: Actions = {
	lift: async ({ locals, platform, getClientAddress }) => {
		await requireAdministrator(platform?.env, signedIn(await locals.auth()).user.id);
		const { bucket, ...settings } = accessSettings(platform?.env);
		await liftLockout(bucket, lockoutScope(settings));
		await record(auditLogBucket(platform?.env), {
			time: new Date().toISOString(),
			operation: 'lift_lock',
			outcome: 'done',
			caller: { kind: 'administrator', address: getClientAddress() },
		});
		redirect(303, '/backups');
	},
};
