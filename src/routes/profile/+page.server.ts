import { isAdministrator } from '$accounts/administrators';
import { signedIn } from '$accounts/session';
import { githubAccountId } from '$accounts/users';
import { database } from '$lib/server/environment';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, platform }) => {
	const session = signedIn(await locals.auth());
	const { user } = session;
	return {
		session,
		user,
		githubId: await githubAccountId(database(platform?.env), user.id),
		administrator: await isAdministrator(platform?.env, user.id),
	};
};
