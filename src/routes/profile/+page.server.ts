import { isAdministrator } from '$lib/server/access/administrators';
import { database } from '$lib/server/config';
import { signedIn } from '$lib/server/session';
import { githubAccountId } from '$lib/server/users';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, platform }) => {
	const session = signedIn(await locals.auth());
	const { user } = session;
	return {
		...{ session, user },
		githubId: await githubAccountId(database(platform?.env), user.id),
		administrator: await isAdministrator(platform?.env, user.id),
	};
};
