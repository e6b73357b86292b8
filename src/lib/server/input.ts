import * as v from 'valibot';
import { LifeboatError } from './errors.ts';

/** Longest body of a call, in bytes: an action and its few arguments. */
const MAX_BODY_BYTES = 10_000;

/**
 * The JSON body of a request, checked; `none` when there is no body.
 *
 * Throws `body_too_large` (413), `content_type_unsupported` (415) for a body that is not declared
 * as JSON, and `body_invalid` (400).
 */
export async function readJson<T extends v.GenericSchema>(
	request: Request,
	schema: T,
	none: v.InferOutput<T>,
): Promise<v.InferOutput<T>> {
	const text = await readText(request);
	if (text.trim() === '') return none;
	// A form or an untyped body can be sent from any web page without asking first (CORS).
	if (!/^application\/json\b/i.test(request.headers.get('Content-Type') ?? '')) {
		throw new LifeboatError('The body of this call has to be JSON.', {
			code: 'content_type_unsupported',
			status: 415,
			hint: 'Send it with "Content-Type: application/json", or leave the body out.',
		});
	}
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
	if (result.success) return result.output;
	throw invalid('body_invalid', 'The body of this call is not understood.', result.issues);
}

/** The query of an address, checked. Throws `query_invalid` (400). */
export function readQuery<T extends v.GenericSchema>(url: URL, schema: T): v.InferOutput<T> {
	const result = v.safeParse(schema, Object.fromEntries(url.searchParams));
	if (result.success) return result.output;
	throw invalid('query_invalid', 'The query of this address is not understood.', result.issues);
}

async function readText(request: Request): Promise<string> {
	if (request.body === null) return '';
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of request.body) {
		bytes += chunk.length;
		if (bytes > MAX_BODY_BYTES) throw tooLarge();
		chunks.push(chunk);
	}
	return new TextDecoder().decode(Buffer.concat(chunks));
}

function tooLarge(): LifeboatError {
	return new LifeboatError('The body of this call is too large.', {
		code: 'body_too_large',
		status: 413,
		hint: `Send at most ${MAX_BODY_BYTES} bytes.`,
	});
}

function invalid(
	code: string,
	message: string,
	issues: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]],
): LifeboatError {
	const [issue] = issues;
	const path = v.getDotPath(issue);
	return new LifeboatError(message, {
		code,
		status: 400,
		hint: path ? `${path}: ${issue.message}` : issue.message,
	});
}
