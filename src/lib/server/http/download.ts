import type { ByteRange } from '../backup/storage/bucket.ts';
import { LifeboatError } from '../errors.ts';

/** What is known of a file before it is read. */
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
	/** True when the answer has no body. */
	empty: boolean;
}

/**
 * The answer to a GET or HEAD of a file, by its conditional and range headers (RFC 9110, sections
 * 13 and 14). Several ranges at once are answered with the whole file, as the RFC allows.
 *
 * Throws `range_not_satisfiable` (416).
 */
export function fileAnswer({ method, headers: request }: Request, file: StoredFile): FileAnswer {
	const headers = new Headers({
		'Accept-Ranges': 'bytes',
		'Content-Type': contentType(file.key),
		'Content-Disposition': `attachment; filename="${safeFileName(file.key)}"`,
		ETag: file.httpEtag,
		'Last-Modified': file.uploaded.toUTCString(),
	});
	if (matches(request.get('If-None-Match'), file.httpEtag)) {
		return { status: 304, headers, range: undefined, empty: true };
	}
	// A range belongs to GET only (RFC 9110, section 14.2).
	const range = method === 'GET' ? requestedRange(request, file) : undefined;
	const empty = method === 'HEAD' || file.size === 0;
	headers.set('Content-Length', String(range?.length ?? file.size));
	if (!range) return { status: 200, headers, range, empty };
	const last = range.offset + range.length - 1;
	headers.set('Content-Range', `bytes ${range.offset}-${last}/${file.size}`);
	return { status: 206, headers, range, empty: false };
}

/** A name that Windows takes as well: it allows no colon (Microsoft: Naming Files). */
function safeFileName(key: string): string {
	return key.replaceAll(':', '-');
}

function contentType(key: string): string {
	if (key.endsWith('.json')) return 'application/json';
	return key.endsWith('.sql') ? 'application/sql' : 'application/octet-stream';
}

/** RFC 9110, section 13.1.2: a list of tags compared weakly, or any. */
function matches(header: string | null, etag: string): boolean {
	if (header === null) return false;
	if (header.trim() === '*') return true;
	return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

function requestedRange(
	request: Headers,
	{ size, httpEtag, uploaded }: StoredFile,
): ByteRange | undefined {
	const condition = request.get('If-Range');
	const changed =
		condition !== null && condition !== httpEtag && condition !== uploaded.toUTCString();
	const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.get('Range')?.trim() ?? '') ?? [];
	if (changed || first === undefined || last === undefined || first + last === '') return undefined;

	const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first);
	const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
	if (last !== '' && first !== '' && Number(last) < Number(first)) return undefined; // not valid: ignored
	if (offset >= end) throw notSatisfiable(size);
	return { offset, length: end - offset };
}

function notSatisfiable(size: number): LifeboatError {
	return new LifeboatError('The file has no such part.', {
		code: 'range_not_satisfiable',
		status: 416,
		hint: `The file has ${size} bytes.`,
	});
}
