import { describeFile, openFile } from '../backup/index.ts';
import { isVolume, manifestKey } from '../backup/format/names.ts';
import { openWhole } from '../backup/prove/whole.ts';
import { readManifest } from '../backup/storage/bucket.ts';
import { networkOf } from '../access/addresses.ts';
import { wholeHeaders } from '../http/download.ts';
import { bodyOf } from '../http/stream.ts';
import { LifeboatError } from '../errors.ts';
import { watchFetch } from '../operations/watch.ts';
import { type Desk, deskOf } from './facts.ts';
import { recorded } from './recorded.ts';
import { requireTypedCode } from './typed-code.ts';
import type { Visit } from './visit.ts';

/** An answer that is a file and nothing else, whatever a browser makes of it. */
const HEADERS = {
	'Cache-Control': 'private, no-store',
	'X-Content-Type-Options': 'nosniff',
	'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
};

/**
 * A file of a backup as a download, which takes a code. The first volume of a differential comes whole. The audit
 * log has the download before its first byte; without that entry there is none.
 *
 * Throws `backup_not_found` (404), what the code throws, and what reading the file throws.
 */
export function download(visit: Visit, name: string, form: FormData): Promise<Response> {
	return recorded(visit, 'fetch', async (deed) => {
		const desk = deskOf(visit);
		const { bucket, keys } = desk.engine;
		const key = String(form.get('file') ?? '');
		const { manifest } = await readManifest(bucket, manifestKey(name), keys);
		const isOwn =
			manifest.volumes.some((volume) => volume.key === key) || key === manifestKey(name);
		if (!isOwn) throw notOfThisBackup();
		await requireTypedCode(visit, form);
		const opened = await opener(desk, key);
		const { bytes, parent, headers } = opened;
		await deed.record({ backup: key, bytes, ...(parent !== undefined && { parent }) });
		if (isVolume(key)) await watchFetch(desk.operations, key, networkOf(visit.address));
		const body = await opened.open();
		for (const [header, value] of Object.entries(HEADERS)) headers.set(header, value);
		return new Response(body, { headers });
	});
}

interface Opened {
	bytes: number;
	parent?: string;
	headers: Headers;
	open(): Promise<ReadableStream<Uint8Array>>;
}

async function opener({ engine }: Desk, key: string): Promise<Opened> {
	const { bucket } = engine;
	const file = await describeFile(bucket, key);
	const whole = await openWhole(engine, key);
	if (whole) {
		const { bytes, parent } = whole;
		const open = async () => bodyOf(whole.open(), bytes);
		return { bytes, parent, headers: wholeHeaders(file, bytes), open };
	}
	const open = async () => {
		const { body } = await openFile(bucket, file);
		return bodyOf(chunksOf(body), file.size);
	};
	return { bytes: file.size, headers: wholeHeaders(file, file.size), open };
}

async function* chunksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
	yield* body;
}

function notOfThisBackup(): LifeboatError {
	return new LifeboatError('This backup has no such file.', {
		code: 'backup_not_found',
		status: 404,
		hint: 'Choose one of the files that its page lists.',
	});
}
