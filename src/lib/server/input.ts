import * as v from 'valibot';
import { LifeboatError } from './errors.ts';

/** Longest body of a call, in bytes: a proof with 20 differences of 300 characters as `\uXXXX`. */
const MAX_BODY_BYTES = 50_000;

/**
 * The JSON body of a request, checked; `none` stands for a body that is not there.
 *
 * Throws `body_too_large` (413), `content_type_unsupported` (415) for a body that is not declared
 * as JSON, and `body_invalid` (400).
 */
export async function readJson<T extends v.GenericSchema>(
	request: Request,
	schema: T,
	none?: v.InferInput<T>,
): Promise<v.InferOutput<T>> {
	const text = await readText(request);
	const empty = text.trim() === '';
	if (!empty) requireJson(request);
	const result = empty
		? v.safeParse(schema, none)
		: v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
	if (result.success) return result.output;
	throw invalid('body_invalid', 'The body of this call is not understood.', result.issues);
}

/** The query of an address, checked. Throws `query_invalid` (400). */
export function readQuery<T extends v.GenericSchema>(url: URL, schema: T): v.InferOutput<T> {
	const result = v.safeParse(schema, Object.fromEntries(url.searchParams));
	if (result.success) return result.output;
	throw invalid('query_invalid', 'The query of this address is not understood.', result.issues);
}

/** A form or an untyped body can be sent from any web page without asking first (CORS). */
function requireJson({ headers }: Request): void {
	if (/^application\/json\b/i.test(headers.get('Content-Type') ?? '')) return;
	throw new LifeboatError('The body of this call has to be JSON.', {
		code: 'content_type_unsupported',
		status: 415,
		hint: 'Send it with "Content-Type: application/json".',
	});
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
