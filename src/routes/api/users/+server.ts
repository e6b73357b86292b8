import { json } from '@sveltejs/kit';
import { errorResponse, LifeboatError } from '$lib';
import { database } from '$accounts/settings';
import { listUsers, readUserQuery } from '$accounts/users';
import { backups } from '../../../backups.server';
import type { RequestHandler } from './$types';

export const GET: RequestHandler = async (event) => {
	try {
		await backups.requireOrigin(event);
		const { locals, platform, url } = event;
		if (!(await locals.auth())) throw notSignedIn();
		return json(await listUsers(database(platform?.env), readUserQuery(url)));
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
