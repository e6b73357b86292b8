import { setTimeout as sleep } from 'node:timers/promises';
import { Response, type Request } from 'miniflare';

/** What an address answers. */
export interface OutsideAnswer {
	status?: number;
	headers?: Record<string, string>;
	body?: string;
	/** Milliseconds before it answers. */
	wait?: number;
}

/** A request that left the Worker. */
export interface Seen {
	method: string;
	url: string;
	headers: Record<string, string>;
	body: string;
}

const answers = new Map<string, OutsideAnswer>();
const seen: Seen[] = [];

/**
 * The internet, as the tests in workerd see it. `PUT https://outside.test/answer` with `{url,
 * ...OutsideAnswer}` sets what an address answers from then on, whatever its query; any other address
 * answers 200. `GET https://outside.test/seen?host=…` returns and forgets the requests to a host.
 */
export async function outside(request: Request): Promise<Response> {
	const { hostname, pathname, origin, searchParams } = new URL(request.url);
	const body = await request.text();
	if (hostname === 'outside.test' && pathname === '/answer') {
		const { url, ...answer } = JSON.parse(body) as OutsideAnswer & { url: string };
		answers.set(url, answer);
		return new Response(null, { status: 204 });
	}
	if (hostname === 'outside.test') return Response.json(take(searchParams.get('host') ?? ''));
	const { method, url, headers } = request;
	seen.push({ method, url, headers: Object.fromEntries(headers), body });
	const answer = answers.get(origin + pathname) ?? {};
	if (answer.wait) await sleep(answer.wait, undefined, { ref: false });
	return new Response(answer.body || null, {
		status: answer.status ?? 200,
		headers: answer.headers ?? {},
	});
}

function take(host: string): Seen[] {
	const taken = seen.filter(({ url }) => new URL(url).host === host);
	seen.splice(0, seen.length, ...seen.filter((request) => !taken.includes(request)));
	return taken;
}
