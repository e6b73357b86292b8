import * as v from 'valibot';
import { LifeboatError } from '../errors.ts';

/** Longest body of a call, in bytes: a proof with 20 differences of 300 characters as `\uXXXX`. */
const MAX_BODY_BYTES = 50_000;

const BODY = 'The body of this call is not understood.';
const QUERY = 'The query of this address is not understood.';

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
	throw notUnderstood('body_invalid', BODY, hintOf(result.issues));
}

/** The query of an address, checked. Throws `query_invalid` (400). */
export function readQuery<T extends v.GenericSchema>(url: URL, schema: T): v.InferOutput<T> {
	const result = v.safeParse(schema, Object.fromEntries(url.searchParams));
	if (result.success) return result.output;
	throw notUnderstood('query_invalid', QUERY, hintOf(result.issues));
}

/** A form or an untyped body can be sent from any web page without asking first (CORS). */
function requireJson({ headers }: Request): void {
	const [type = ''] = (headers.get('Content-Type') ?? '').split(';');
	if (type.trim().toLowerCase() === 'application/json') return;
	throw new LifeboatError('The body of this call has to be JSON.', {
		code: 'content_type_unsupported',
		status: 415,
		hint: 'Send it with "Content-Type: application/json".',
	});
}

async function readText(request: Request): Promise<string> {
	if (Number(request.headers.get('Content-Length')) > MAX_BODY_BYTES) throw tooLarge();
	const bytes = await readBytes(request);
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
	} catch {
		throw notUnderstood('body_invalid', BODY, 'It is not valid UTF-8.');
	}
}

async function readBytes({ body }: Request): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	try {
		for await (const chunk of body ?? []) {
			bytes += chunk.length;
			if (bytes > MAX_BODY_BYTES) break;
			chunks.push(chunk);
		}
	} catch {
		throw notUnderstood('body_invalid', BODY, 'It broke off.');
	}
	if (bytes > MAX_BODY_BYTES) throw tooLarge();
	return Buffer.concat(chunks);
}

function tooLarge(): LifeboatError {
	return new LifeboatError('The body of this call is too large.', {
		code: 'body_too_large',
		status: 413,
		hint: `Send at most ${MAX_BODY_BYTES} bytes.`,
	});
}

function notUnderstood(code: string, message: string, hint: string): LifeboatError {
	return new LifeboatError(message, { code, status: 400, hint });
}

/** What is expected where: valibot's own messages repeat what was received, which no answer does. */
function hintOf([issue]: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
	if (issue.type === 'parse_json') return 'It is no JSON.';
	if (issue.expected === 'never') return 'It has a field that docs/api.md does not name.';
	const what = issue.type === 'check' ? issue.message : `expected ${issue.expected ?? issue.type}`;
	const path = v.getDotPath(issue);
	return path ? `${path}: ${what}` : what;
}
