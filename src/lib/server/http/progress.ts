import { presentable } from './respond.ts';

/** The media type of a stream of JSON lines. */
const NDJSON = 'application/x-ndjson';

/** What some work ends with, and the status of its answer. */
export interface Done {
	status: number;
	result: object;
	/** Seconds to wait before the next call, sent as `Retry-After` unless the answer is a stream. */
	retryAfter?: number;
}

/** Work that may report its progress. */
export type Work = (report: (line: object) => void) => Promise<Done>;

/**
 * Answers with the result of some work: as JSON, or as the last line of its progress if the caller
 * accepts that (`Accept: application/x-ndjson`). Throws what the work throws, unless the answer is a
 * stream.
 */
export async function workResponse(request: Request, work: Work): Promise<Response> {
	if (request.headers.get('Accept')?.includes(NDJSON)) return progressResponse(work);
	const { status, result, retryAfter } = await work(() => {});
	const headers = new Headers();
	if (retryAfter !== undefined) headers.set('Retry-After', String(retryAfter));
	return Response.json({ success: true, ...result }, { status, headers });
}

/**
 * Answers 200 at once, then a line of JSON for each report of the work and one for its result,
 * `{"event":"done","success":true,…}`. Since the status is sent before the work can fail, an error is
 * a last line: `{"event":"error","error","code","hint"}`. If the caller disconnects, the next report
 * throws, so that the work stops and cleans up.
 */
function progressResponse(work: Work): Response {
	const encoder = new TextEncoder();
	let isGone = false;
	const body = new ReadableStream<Uint8Array>({
		async start(controller) {
			const report = (line: object) => {
				if (isGone) throw new Error('The caller has disconnected.');
				controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
			};
			try {
				const { result } = await work(report);
				report({ event: 'done', success: true, ...result });
			} catch (error) {
				const failure = presentable(error);
				if (!isGone) report({ event: 'error', ...failure.toJSON() });
			}
			if (!isGone) controller.close();
		},
		cancel() {
			isGone = true;
		},
	});
	return new Response(body, { headers: { 'Content-Type': NDJSON } });
}
