import { administratorId } from '$accounts/administrators';
import { signedIn } from '$accounts/session';
import { linkedAccounts } from '$accounts/users';
import { database } from '$accounts/settings';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, platform }) => {
	const session = signedIn(await locals.auth());
	const { user } = session;
	const accounts = await linkedAccounts(database(platform?.env), user.id);
	return {
		session,
		user,
		accountIds: accounts.map(({ providerAccountId }) => providerAccountId),
		administrator: (await administratorId(platform?.env, user.id)) !== null,
	};
};
