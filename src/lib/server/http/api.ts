import { LifeboatError } from '../errors.ts';
import type { ApiEvent } from './call.ts';
import { protect } from './headers.ts';
import { errorResponse } from './respond.ts';
import { GET as readLog } from './routes/audit-log.ts';
import { GET as list, POST as backup } from './routes/backups.ts';
import { GET as check } from './routes/check.ts';
import { DELETE as remove, GET as fetchFile, POST as decide } from './routes/file.ts';
import { GET as health } from './routes/health.ts';
import { GET as lockout, POST as unlock } from './routes/lockout.ts';

type Handler = (event: ApiEvent) => Promise<Response>;
type Methods = Partial<Record<string, Handler>>;

/** The resources of the API by what follows its path; any other name is that of a file. */
const RESOURCES: Record<string, Methods> = {
	'': { GET: list, POST: backup },
	check: { GET: check },
	health: { GET: health },
	journal: { GET: readLog },
	lockout: { GET: lockout, POST: unlock },
};
const FILE: Methods = { GET: fetchFile, POST: decide, DELETE: remove };

/**
 * Answers a call of the API. `resource` is the rest of the address below the API's path, without a slash
 * at either end. Never throws: an error becomes an answer.
 */
export async function answer(event: Omit<ApiEvent, 'params'>, resource: string): Promise<Response> {
	try {
		const { handler, filename } = find(event.request.method, resource);
		const response = await handler({ ...event, params: { filename } });
		return event.request.method === 'HEAD' ? new Response(null, response) : response;
	} catch (error) {
		const response = errorResponse(error);
		if (error instanceof MethodNotAllowed) response.headers.set('Allow', error.allowed.join(', '));
		protect(response.headers);
		return response;
	}
}

function find(method: string, resource: string): { handler: Handler; filename: string } {
	const methods = Object.hasOwn(RESOURCES, resource) ? RESOURCES[resource] : FILE;
	const handler = methods?.[method === 'HEAD' ? 'GET' : method];
	if (handler) return { handler, filename: decoded(resource) };
	throw new MethodNotAllowed(Object.keys(methods ?? {}));
}

/** The name of a file; empty, which no file has, if it is not valid. */
function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return '';
	}
}

/** `method_not_allowed` (405), with the methods that are (RFC 9110, section 15.5.6). */
class MethodNotAllowed extends LifeboatError {
	readonly allowed: string[];

	constructor(methods: string[]) {
		const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
		super('This address does not take this method.', {
			code: 'method_not_allowed',
			status: 405,
			hint: `Use ${allowed.join(' or ')}.`,
		});
		this.allowed = allowed;
	}
}
