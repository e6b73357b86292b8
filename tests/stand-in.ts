import { once } from 'node:events';
import {
	createServer,
	type IncomingHttpHeaders,
	type IncomingMessage,
	type RequestListener,
	type ServerResponse,
} from 'node:http';
import { freePort } from '../src/cli/embedded/server.ts';

/** A request that a stand-in received. */
export interface Request {
	method: string | undefined;
	url: string | undefined;
	headers: IncomingHttpHeaders;
	body: string;
}

/** The bodies of requests, parsed as JSON. */
export function bodies(requests: Request[]): unknown[] {
	return requests.map(({ body }) => JSON.parse(body) as unknown);
}

/** Answers a request whose body has been read. */
export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** Starts a server that answers every request in the same way and records the requests. */
export async function listen(
	answer: Answer,
	requests: Request[] = [],
): Promise<{ url: string } & AsyncDisposable> {
	const server = createServer(async (request, response) => {
		let body = '';
		for await (const chunk of request) body += chunk;
		const { method, url, headers } = request;
		requests.push({ method, url, headers, body });
		answer(request, response, body);
	});
	const port = await freePort();
	await once(server.listen(port, '127.0.0.1'), 'listening');
	return {
		url: `http://127.0.0.1:${port}`,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			server.close();
			await once(server, 'close');
		},
	};
}

/** The same answer to every request. */
export function json(
	status: number,
	body: object,
	headers: Record<string, string> = {},
): RequestListener {
	return (_, response) => {
		response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
		response.end(JSON.stringify(body));
	};
}

/** A long answer: a line of JSON for each object. */
export function lines(status: number, ...objects: object[]): RequestListener {
	return (_, response) => {
		response.writeHead(status, { 'Content-Type': 'application/x-ndjson' });
		response.end(objects.map(line).join(''));
	};
}

/** An HTML page from a proxy in front of the app. */
export function page(status: number, html: string): RequestListener {
	return (_, response) => {
		response.writeHead(status, { 'Content-Type': 'text/html' });
		response.end(html);
	};
}

/** Sends some lines of an answer and hangs up. */
export function cut(text: string): RequestListener {
	return (_, response) => {
		response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
		response.write(text, () => response.destroy());
	};
}

/** A line of a long answer. */
export function line(object: object): string {
	return `${JSON.stringify(object)}\n`;
}
