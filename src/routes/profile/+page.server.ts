import { redirect } from '@sveltejs/kit';
import { database } from '$lib/server/config';
import { githubAccountId } from '$lib/server/users';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, platform }) => {
	const session = await locals.auth();
	if (!session?.user?.id) redirect(303, '/');
	const githubId = await githubAccountId(database(platform?.env), session.user.id);
	return { session, user: session.user, githubId };
};
