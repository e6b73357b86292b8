import * as v from 'valibot';
import { LifeboatError } from '../errors.ts';

/** Largest body, in bytes: a proof with 20 differences of 300 characters, each written as `\uXXXX`. */
const MAX_BODY_BYTES = 50_000;

const BODY = 'The body of this call is not valid.';
const QUERY = 'The query of this call is not valid.';

/**
 * The validated JSON body of a request; without a body, `none` is used.
 *
 * Throws `body_too_large` (413), `content_type_unsupported` (415) if the body is not declared as JSON,
 * and `body_invalid` (400).
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

/** The validated query of an address. Throws `query_invalid` (400). */
export function readQuery<T extends v.GenericSchema>(url: URL, schema: T): v.InferOutput<T> {
	const result = v.safeParse(schema, Object.fromEntries(url.searchParams));
	if (result.success) return result.output;
	throw notUnderstood('query_invalid', QUERY, hintOf(result.issues));
}

/** Any web page may send a form or an untyped body without a preflight request (CORS). */
function requireJson({ headers }: Request): void {
	const [type = ''] = (headers.get('Content-Type') ?? '').split(';');
	if (type.trim().toLowerCase() === 'application/json') return;
	throw new LifeboatError('The body of this call must be JSON.', {
		code: 'content_type_unsupported',
		status: 415,
		hint: 'Send it with "Content-Type: application/json".',
	});
}

async function readText(request: Request): Promise<string> {
	const declared = request.headers.get('Content-Length');
	if (Number(declared) > MAX_BODY_BYTES) throw tooLarge();
	const bytes = await readBytes(request);
	// A proxy may pass on what it has got of a body that broke off: as nothing, it would mean a backup.
	if (declared !== null && Number(declared) !== bytes.length) throw cutOff();
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
		throw cutOff();
	}
	if (bytes > MAX_BODY_BYTES) throw tooLarge();
	return Buffer.concat(chunks);
}

function cutOff(): LifeboatError {
	return notUnderstood('body_invalid', BODY, 'It was cut off.');
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

/** What is expected, and where. Unlike valibot's own messages, it never repeats the input. */
function hintOf([issue]: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
	if (issue.type === 'parse_json') return 'It is not valid JSON.';
	if (issue.expected === 'never') return 'It has a field that is not in docs/api.md.';
	const what = issue.type === 'check' ? issue.message : `expected ${issue.expected ?? issue.type}`;
	const path = v.getDotPath(issue);
	return path ? `${path}: ${what}` : what;
}
