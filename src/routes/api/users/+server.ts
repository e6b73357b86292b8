import { json } from '@sveltejs/kit';
import { requireOrigin } from '$lib/server/access/origin';
import { database } from '$lib/server/environment';
import { LifeboatError } from '$lib/server/errors';
import { readQuery } from '$lib/server/http/input';
import { errorResponse } from '$lib/server/http/respond';
import { listUsers, UserQuery } from '$accounts/users';
import type { RequestHandler } from './$types';

export const GET: RequestHandler = async ({ locals, platform, url }) => {
	try {
		requireOrigin(url, platform?.env);
		if (!(await locals.auth())) throw notSignedIn();
		return json(await listUsers(database(platform?.env), readQuery(url, UserQuery)));
	} catch (error) {
		return errorResponse(error);
	}
};

function notSignedIn(): LifeboatError {
	return new LifeboatError('Only signed-in people may list users.', {
		status: 401,
		code: 'not_signed_in',
		hint: 'Sign in on the home page and call again with the same cookies.',
	});
}
