import { presentable } from './respond.ts';

/** The type of a stream of JSON lines. */
const NDJSON = 'application/x-ndjson';

/** True when the caller asks for lines of progress (`Accept: application/x-ndjson`). */
export function wantsProgress(request: Request): boolean {
	return request.headers.get('Accept')?.includes(NDJSON) ?? false;
}

/**
 * Answers 200 at once, then a line of JSON for each report of the work and one for its result. The
 * status is gone by the time that work fails, so an error is a last line of its own:
 * `{"event":"error","error","code","hint"}`. When the caller goes away, the next report throws, so
 * that the work ends and tidies up.
 */
export function progressResponse(
	work: (report: (line: object) => void) => Promise<object>,
): Response {
	const encoder = new TextEncoder();
	let gone = false;
	const body = new ReadableStream<Uint8Array>({
		async start(controller) {
			const report = (line: object) => {
				if (gone) throw new Error('The caller has gone away.');
				controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
			};
			try {
				report(await work(report));
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
