import type { Session } from '@auth/sveltekit';
import { redirect } from '@sveltejs/kit';

/** The session with the id of its user. Redirects to the home page if nobody is signed in. */
export function signedIn(session: Session | null): Session & { user: { id: string } } {
	const id = session?.user?.id;
	if (!id) redirect(303, '/');
	return { ...session, user: { ...session.user, id } };
}
