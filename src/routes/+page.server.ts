import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals }) => ({ session: await locals.auth() });

// Development only; see $accounts/demo.
export const actions: Actions | undefined = import.meta.env.DEV
	? { demo: async (event) => (await import('$accounts/demo')).signInAsDemoUser(event) }
	: undefined;
