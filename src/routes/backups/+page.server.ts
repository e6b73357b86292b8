import { redirect, type RequestEvent } from '@sveltejs/kit';
import { requireAdministrator } from '$accounts/administrators';
import { signedIn } from '$accounts/session';
import { backups } from '../../backups.server';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
	const { session } = await administrator(event);
	return { session, lockout: await backups.lockout.read(event) };
};

export const actions: Actions = {
	lift: async (event) => {
		const { id } = await administrator(event);
		await backups.lockout.lift(event, id);
		redirect(303, '/backups');
	},
};

/**
 * The administrator whose request this is. An older deployment may still list somebody who is none any
 * more, so it refuses. Throws `preview_refused` (403) and what {@link requireAdministrator} throws, and
 * redirects to the home page if nobody is signed in.
 */
async function administrator(event: RequestEvent) {
	await backups.requireOrigin(event);
	const { locals, platform } = event;
	const session = signedIn(await locals.auth());
	const id = await requireAdministrator(platform?.env, session.user.id);
	return { session, id };
}
