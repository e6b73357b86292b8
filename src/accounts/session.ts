import type { Session } from '@auth/sveltekit';
import { redirect } from '@sveltejs/kit';

/**
 * How long a session lasts, in seconds. Auth.js never extends it (`updateAge`), so that its end says when it
 * began, which the dashboard needs.
 */
export const SESSION_SECONDS = 30 * 86_400;

/** The session with the id of its user. Redirects to the home page if nobody is signed in. */
export function signedIn(session: Session | null): Session & { user: { id: string } } {
	const id = session?.user?.id;
	if (!id) redirect(303, '/');
	return { ...session, user: { ...session.user, id } };
}

/** When a session began, in milliseconds since 1970. */
export function beganAt({ expires }: Pick<Session, 'expires'>): number {
	return Date.parse(expires) - SESSION_SECONDS * 1000;
}
