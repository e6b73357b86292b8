import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { freePort } from '../src/cli/server.ts';

/** A request that a stand-in was sent. */
export interface Request {
	method: string | undefined;
	url: string | undefined;
	headers: IncomingHttpHeaders;
	body: string;
}

/** Starts a server that answers every request alike and writes the requests down. */
export async function listen(
	answer: RequestListener,
	requests: Request[] = [],
): Promise<{ url: string } & AsyncDisposable> {
	const server = createServer(async (request, response) => {
		let body = '';
		for await (const chunk of request) body += chunk;
		const { method, url, headers } = request;
		requests.push({ method, url, headers, body });
		answer(request, response);
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
export function json(status: number, body: object): RequestListener {
	return (_, response) => {
		response.writeHead(status, { 'Content-Type': 'application/json' });
		response.end(JSON.stringify(body));
	};
}

/** Sends some lines of an answer and hangs up. */
export function cut(text: string): RequestListener {
	return (_, response) => {
		response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
		response.write(text, () => response.destroy());
	};
}
