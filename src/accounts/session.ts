import type { Session } from '@auth/sveltekit';
import { redirect } from '@sveltejs/kit';

/** Who is signed in, with the id of that user. Goes to the home page where nobody is. */
export function signedIn(session: Session | null): Session & { user: { id: string } } {
	const id = session?.user?.id;
	if (!id) redirect(303, '/');
	return { ...session, user: { ...session.user, id } };
}
