import { fail, isRedirect, redirect, type RequestEvent } from '@sveltejs/kit';
import { errorResponse, LifeboatError, type Outcome, presentable } from '$lib';

/** What a page gets of a form that it has sent: `at` is the form's name. */
export type Answer =
	| { at: string; message: string }
	| { at: string; failure: { error: string; code: string; hint: string } };

/** Does what a form asks for. A failure goes back to its page, which says what to do. */
export async function answer(at: string, work: () => Promise<Outcome>) {
	try {
		return { at, ...(await work()) };
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
		const { message, code, hint, status } = presentable(error);
		return fail(status, { at, failure: { error: message, code, hint } });
	}
}

/** The same for a form that leads back to its page: a reload then sends nothing again. */
export function answerAndReturn({ url }: RequestEvent, at: string, work: () => Promise<unknown>) {
	return answer(at, async () => {
		await work();
		redirect(303, url.pathname + querySent(url));
	});
}

/** Answers with what the work gives, and with an error of the API if it throws one. */
export async function respond(work: () => Promise<Response>): Promise<Response> {
	try {
		return await work();
	} catch (error) {
		if (isRedirect(error)) throw error;
		return errorResponse(error);
	}
}

/** The query without the name of the form. */
function querySent({ searchParams }: URL): string {
	const kept = [...searchParams].filter(([name]) => !name.startsWith('/'));
	return kept.length > 0 ? `?${new URLSearchParams(kept)}` : '';
}
