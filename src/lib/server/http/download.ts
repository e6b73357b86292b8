import type { ByteRange } from '../backup/storage/bucket.ts';
import { LifeboatError } from '../errors.ts';

// R2 could read these headers itself (`get` with `range` and `onlyIf`), but not as HTTP needs them
// (measured in workerd): it answers a range that cannot be satisfied with the whole file, not with 416;
// it does not tell a range of all bytes (206) from one to ignore (200); it throws on an If-None-Match
// that is not valid; it knows no If-Range; and a HEAD has neither.

/** The metadata of a file. */
export interface StoredFile {
	key: string;
	size: number;
	/** The entity tag with its quotes. */
	httpEtag: string;
	uploaded: Date;
}

/** How to answer a request for a file. */
export interface FileAnswer {
	status: 200 | 206 | 304;
	headers: Headers;
	/** The part to read; undefined for the whole file. */
	range: ByteRange | undefined;
	/** Whether the answer has no body. */
	empty: boolean;
}

/**
 * The answer to a GET or HEAD of a file, by its conditional and range headers (RFC 9110, sections
 * 13 and 14). A request for several ranges gets the whole file, as the RFC allows.
 *
 * Throws `range_not_satisfiable` (416).
 */
export function fileAnswer({ method, headers: request }: Request, file: StoredFile): FileAnswer {
	const headers = headersOf(file);
	headers.set('Accept-Ranges', 'bytes');
	headers.set('ETag', file.httpEtag);
	if (matches(request.get('If-None-Match'), file.httpEtag)) {
		return { status: 304, headers, range: undefined, empty: true };
	}
	// Only a GET has a range (RFC 9110, section 14.2).
	const range = method === 'GET' ? requestedRange(request, file) : undefined;
	const empty = method === 'HEAD' || file.size === 0;
	headers.set('Content-Length', String(range?.length ?? file.size));
	if (!range) return { status: 200, headers, range, empty };
	const last = range.offset + range.length - 1;
	headers.set('Content-Range', `bytes ${range.offset}-${last}/${file.size}`);
	return { status: 206, headers, range, empty: false };
}

/** The headers of an answer with a file of so many bytes that is put together from others. */
export function wholeHeaders(file: StoredFile, bytes: number): Headers {
	const headers = headersOf(file);
	headers.set('Accept-Ranges', 'none');
	headers.set('Content-Length', String(bytes));
	return headers;
}

function headersOf({ key, uploaded }: StoredFile): Headers {
	return new Headers({
		'Content-Type': contentType(key),
		'Content-Disposition': `attachment; filename="${safeFileName(key)}"`,
		'Last-Modified': uploaded.toUTCString(),
	});
}

/** A name that Windows also accepts: it allows no colon (Microsoft: Naming Files). */
function safeFileName(key: string): string {
	return key.replaceAll(':', '-');
}

function contentType(key: string): string {
	if (key.endsWith('.json')) return 'application/json';
	if (key.endsWith('.slices')) return 'text/plain';
	return key.endsWith('.sql') ? 'application/sql' : 'application/octet-stream';
}

/** RFC 9110, section 13.1.2: a list of tags, compared weakly, or `*` for any. */
function matches(header: string | null, etag: string): boolean {
	if (header === null) return false;
	if (header.trim() === '*') return true;
	return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** RFC 9110, sections 13.1.5 and 14.2: a range that is not valid, or meant for another file, is ignored. */
function requestedRange(
	request: Headers,
	{ size, httpEtag, uploaded }: StoredFile,
): ByteRange | undefined {
	const condition = request.get('If-Range');
	if (condition !== null && condition !== httpEtag && condition !== uploaded.toUTCString()) {
		return undefined;
	}
	const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(request.get('Range') ?? '') ?? [];
	if (first === '' && last === '') return undefined;
	if (first === '') return rangeOf(Math.max(0, size - Number(last)), size, size);
	if (last === '') return rangeOf(Number(first), size, size);
	if (Number(last) < Number(first)) return undefined;
	return rangeOf(Number(first), Math.min(size, Number(last) + 1), size);
}

/** The bytes from `start` to before `end` of a file of `size` bytes. */
function rangeOf(start: number, end: number, size: number): ByteRange {
	if (start < end) return { offset: start, length: end - start };
	throw new LifeboatError('The file does not have this range.', {
		code: 'range_not_satisfiable',
		status: 416,
		hint: `The file has ${size} bytes.`,
	});
}
