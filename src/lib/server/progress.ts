import { presentable } from './respond.ts';

/** The type of a stream of JSON lines. */
const NDJSON = 'application/x-ndjson';

/**
 * Answers with the result of some work: as JSON with this status, or, where the caller accepts
 * lines of progress (`Accept: application/x-ndjson`), as the last of them.
 */
export async function workResponse(
	request: Request,
	status: number,
	work: (report: (line: object) => void) => Promise<object>,
): Promise<Response> {
	if (request.headers.get('Accept')?.includes(NDJSON)) return progressResponse(work);
	return Response.json({ success: true, ...(await work(() => {})) }, { status });
}

/**
 * Answers 200 at once, then a line of JSON for each report of the work and one for its result,
 * `{"event":"done","success":true,…}`. The status is gone by the time that work fails, so an error
 * is a last line of its own: `{"event":"error","error","code","hint"}`. When the caller goes away,
 * the next report throws, so that the work ends and tidies up.
 */
function progressResponse(work: (report: (line: object) => void) => Promise<object>): Response {
	const encoder = new TextEncoder();
	let gone = false;
	const body = new ReadableStream<Uint8Array>({
		async start(controller) {
			const report = (line: object) => {
				if (gone) throw new Error('The caller has gone away.');
				controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
			};
			try {
				report({ event: 'done', success: true, ...(await work(report)) });
			} catch (error) {
				const failure = presentable(error);
				if (!gone) report({ event: 'error', ...failure.toJSON() });
			}
			if (!gone) controller.close();
		},
		cancel() {
			gone = true;
		},
	});
	return new Response(body, { headers: { 'Content-Type': NDJSON } });
}
