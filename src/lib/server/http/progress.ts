import { presentable } from './respond.ts';

/** The type of a stream of JSON lines. */
const NDJSON = 'application/x-ndjson';

/** Some work, which may tell how far it is; its result has the status of the answer. */
export type Work = (report: (line: object) => void) => Promise<{ status: number; result: object }>;

/**
 * Answers with the result of some work: as JSON, or, where the caller accepts lines of progress
 * (`Accept: application/x-ndjson`), as the last of them.
 */
export async function workResponse(request: Request, work: Work): Promise<Response> {
	if (request.headers.get('Accept')?.includes(NDJSON)) return progressResponse(work);
	const { status, result } = await work(() => {});
	return Response.json({ success: true, ...result }, { status });
}

/**
 * Answers 200 at once, then a line of JSON for each report of the work and one for its result,
 * `{"event":"done","success":true,…}`. The status is gone by the time that work fails, so an error
 * is a last line of its own: `{"event":"error","error","code","hint"}`. When the caller goes away,
 * the next report throws, so that the work ends and tidies up.
 */
function progressResponse(work: Work): Response {
	const encoder = new TextEncoder();
	let gone = false;
	const body = new ReadableStream<Uint8Array>({
		async start(controller) {
			const report = (line: object) => {
				if (gone) throw new Error('The caller has gone away.');
				controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
			};
			try {
				const { result } = await work(report);
				report({ event: 'done', success: true, ...result });
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
