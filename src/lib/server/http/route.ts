import { requireOrigin } from '../access/origin.ts';
import { requireKnown } from '../environment.ts';
import { toLifeboatError } from '../errors.ts';
import { type ApiEvent, Call } from './call.ts';
import { protect } from './headers.ts';
import { type Work, workResponse } from './progress.ts';
import { errorResponse } from './respond.ts';

/** What a route does for a call: it answers, or returns work that may take a while. */
export type Handle = (call: Call) => Promise<Response | Work>;

/** A handler as SvelteKit calls it. */
type RouteHandler = (event: ApiEvent) => Promise<Response>;

/**
 * A route of the backup API. Every error becomes an answer of the API, and every call is recorded in
 * the audit log.
 */
export function apiRoute(operation: string, handle: Handle): RouteHandler {
	return async (event) => {
		const call = new Call(event, operation);
		const response = await answer(call, handle);
		if (call.warnings.length > 0) {
			response.headers.set('X-Backup-Warning', call.warnings.join(' '));
		}
		protect(response.headers);
		return response;
	};
}

/**
 * A route of the backup API that anybody may call. Every error becomes an answer of the API. Calls are
 * not recorded: that would load the bucket.
 */
export function openRoute(handle: RouteHandler): RouteHandler {
	return async (event) => {
		const response = await openAnswer(event, handle);
		protect(response.headers);
		return response;
	};
}

async function openAnswer(event: ApiEvent, handle: RouteHandler): Promise<Response> {
	try {
		requireOrigin(event.url, event.platform?.env);
		requireKnown(event.platform?.env);
		return await handle(event);
	} catch (error) {
		return errorResponse(error);
	}
}

async function answer(call: Call, handle: Handle): Promise<Response> {
	try {
		const handled = await handle(call);
		if (typeof handled === 'function') {
			return await workResponse(call.request, recorded(call, handled));
		}
		await call.end('done', handled.status);
		call.tidy();
		return handled;
	} catch (error) {
		const { status, code } = toLifeboatError(error);
		await call.end(status < 500 ? 'refused' : 'failed', status, code);
		call.tidy();
		return errorResponse(error);
	}
}

/** The work, which records how it ended: a streamed answer has long begun by then. */
function recorded(call: Call, work: Work): Work {
	const run: Work = async (report) => {
		try {
			const done = await work(report);
			await call.end('done', done.status);
			return done;
		} catch (error) {
			const { status, code } = toLifeboatError(error);
			await call.end('failed', status, code);
			throw error;
		}
	};
	return (report) => {
		const running = run(report);
		call.keepAlive(running);
		return running;
	};
}
