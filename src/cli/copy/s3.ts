import { openAsBlob } from 'node:fs';
import { AwsClient } from 'aws4fetch';
import type { StoredRange } from '../../lib/server/backup/storage/bucket.ts';
import { isLoopback } from '../../lib/server/environment.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { retry } from '../../lib/server/retry.ts';
import { reasonOf } from '../client/call.ts';
import { abortableSleep } from '../client/retry.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { usageError } from '../terminal/arguments.ts';
import { temporaryFolder } from '../terminal/command.ts';
import type { Destination } from './destination.ts';

/** Amazon's own, if no endpoint is given. */
const DEFAULT_REGION = 'us-east-1';

/** Tries of a call that may succeed later, and the pause after the first one, which doubles each time. */
const MAX_TRIES = 4;
const PAUSE_MS = 1_000;

/** Another PUT of the same key was going on: Amazon asks to try again. */
const CONFLICT = 409;
/** The condition is not met: there is such an object. */
const EXISTS = 412;
/** The range begins behind the end of the object. */
const BEYOND = 416;
/** The service does not know the condition (S3: Error responses, NotImplemented). */
const NOT_IMPLEMENTED = 501;

/** Where the objects are. */
interface Place {
	endpoint: string;
	bucket: string;
	/** Empty, or with a slash at its end. */
	prefix: string;
}

/** A request: what follows the bucket's address, encoded. */
interface S3Call {
	method: 'GET' | 'PUT';
	path: string;
	headers?: Record<string, string>;
	/** The path of a file. */
	file?: string;
}

/**
 * The objects under `s3://BUCKET/PREFIX`, with the credentials that other programs for S3 use, from the
 * environment or `.env`. Throws `usage` and `s3_key_missing` (400).
 */
export function openS3(to: string, endpoint: string | undefined, signal: AbortSignal): Destination {
	const [, bucket, path = ''] =
		/^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(to) ?? [];
	const folders = path.replace(/\/$/, '').split('/');
	const isValid =
		path === '' || folders.every((name) => /^[\w.-]+$/.test(name) && !/^\.+$/.test(name));
	if (bucket === undefined || !isValid) {
		throw usageError('copy', `${to} is not an address such as s3://BUCKET/PREFIX.`);
	}
	const region = readSetting('AWS_REGION');
	const amazon = `https://s3.${region || DEFAULT_REGION}.amazonaws.com`;
	const prefix = path === '' ? '' : `${folders.join('/')}/`;
	const place = { endpoint: originOf(endpoint ?? amazon), bucket, prefix };
	return new S3Destination(place, clientOf(region), signal);
}

function clientOf(region: string): AwsClient {
	const accessKeyId = readSetting('AWS_ACCESS_KEY_ID');
	const secretAccessKey = readSetting('AWS_SECRET_ACCESS_KEY');
	const sessionToken = readSetting('AWS_SESSION_TOKEN');
	if (accessKeyId === '' || secretAccessKey === '') throw credentialsMissing();
	return new AwsClient({
		accessKeyId,
		secretAccessKey,
		service: 's3',
		...(sessionToken !== '' && { sessionToken }),
		...(region !== '' && { region }), // otherwise the client knows it from the endpoint
	});
}

/** An https origin: a backup may not be encrypted. Plain http is for this machine. */
function originOf(endpoint: string): string {
	const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
	const isSafe = url?.protocol === 'https:' || (url !== null && isLoopback(url.hostname));
	if (url && isSafe && endpoint.replace(/\/$/, '') === url.origin) return url.origin;
	throw usageError('copy', '--endpoint takes an https origin, such as https://s3.example.com.');
}

/** A bucket at any address that speaks S3. */
class S3Destination implements Destination {
	readonly title: string;
	readonly #place: Place;
	readonly #client: AwsClient;
	readonly #signal: AbortSignal;

	constructor(place: Place, client: AwsClient, signal: AbortSignal) {
		this.title = `s3://${place.bucket}/${place.prefix}`;
		this.#place = place;
		this.#client = client;
		this.#signal = signal;
	}

	prepare(): string {
		return temporaryFolder();
	}

	async sizes(): Promise<Map<string, number>> {
		const sizes = new Map<string, number>();
		let token: string | undefined;
		do {
			const query = new URLSearchParams({
				'list-type': '2',
				prefix: this.#place.prefix,
				delimiter: '/',
			});
			if (token !== undefined) query.set('continuation-token', token);
			const response = await this.#call({ method: 'GET', path: `?${query}` }, 'list the bucket');
			const page = await response.text();
			for (const [, key = '', bytes] of page.matchAll(LISTED)) {
				sizes.set(key.slice(key.lastIndexOf('/') + 1), Number(bytes));
			}
			[, token] = /<NextContinuationToken>([^<]+)</.exec(page) ?? [];
		} while (token !== undefined);
		return sizes;
	}

	async read(name: string, range?: StoredRange): Promise<AsyncIterable<Uint8Array>> {
		const headers = range && { Range: `bytes=${range.offset}-${lastOf(range)}` };
		const call: S3Call = { method: 'GET', path: this.#pathOf(name), ...(headers && { headers }) };
		const { status, body } = await this.#call(call, `read ${name}`, [BEYOND]);
		return status === BEYOND ? emptyBody() : (body ?? emptyBody());
	}

	/**
	 * S3 compares the body with its signed SHA-256, and refuses it if it differs. One PUT takes 5 GB; a
	 * volume is far smaller.
	 */
	async store(name: string, path: string, sha256: string): Promise<boolean> {
		const call = (condition: Record<string, string>) => ({
			...({ method: 'PUT', path: this.#pathOf(name), file: path } as const),
			headers: { 'X-Amz-Content-Sha256': sha256, ...condition },
		});
		const what = `store ${name}`;
		const tolerated = [EXISTS, NOT_IMPLEMENTED];
		const { status } = await this.#call(call({ 'If-None-Match': '*' }), what, tolerated);
		if (status !== NOT_IMPLEMENTED) return status !== EXISTS;
		if ((await this.sizes()).has(name)) return false;
		await this.#call(call({}), what);
		return true;
	}

	#pathOf(name: string): string {
		return `/${encodeURIComponent(this.#place.prefix + name).replaceAll('%2F', '/')}`;
	}

	/** Calls until there is an answer that counts. `what` says in an error what could not be done. */
	async #call(call: S3Call, what: string, tolerated: number[] = []): Promise<Response> {
		const pauseAfter = (error: unknown, tries: number) => {
			const mayPass = error instanceof LifeboatError && error.retryable;
			return mayPass && tries < MAX_TRIES ? PAUSE_MS * 2 ** (tries - 1) : null;
		};
		const attempt = async () => {
			const response = await this.#send(call, what);
			if (response.ok || tolerated.includes(response.status)) return response;
			throw refused(this.title, what, response.status, await response.text());
		};
		return retry(attempt, pauseAfter, abortableSleep(this.#signal));
	}

	async #send({ method, path, headers = {}, file }: S3Call, what: string): Promise<Response> {
		const { endpoint, bucket } = this.#place;
		const body = file === undefined ? null : await openAsBlob(file);
		const request = await this.#client.sign(`${endpoint}/${bucket}${path}`, {
			...{ method, headers, body },
			redirect: 'manual', // a redirect would hand the file to someone else
		});
		try {
			return await fetch(request, { signal: this.#signal });
		} catch (error) {
			this.#signal.throwIfAborted();
			throw unreachable(endpoint, what, error);
		}
	}
}

/** An object in a list, as S3 and those that speak like it print it. Names of backups have no entities. */
const LISTED = /<Contents>.*?<Key>([^<]*)<\/Key>.*?<Size>(\d+)<\/Size>.*?<\/Contents>/gs;

/** The last byte of a range as a header has it; empty for all that follow. */
function lastOf({ offset, length }: StoredRange): number | '' {
	return length === undefined ? '' : offset + length - 1;
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

function credentialsMissing(): LifeboatError {
	return new LifeboatError('There are no credentials for S3.', {
		code: 's3_key_missing',
		status: 400,
		hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, and AWS_REGION if the bucket has one.',
	});
}

/** Of the answer only the error's code is shown: the rest may quote the request. */
function refused(title: string, what: string, status: number, answer: string): LifeboatError {
	const [, code = 'without a reason'] = /<Code>(\w+)<\/Code>/.exec(answer) ?? [];
	return new LifeboatError(`${title} refused to ${what}: HTTP ${status}, ${code}.`, {
		code: 's3_refused',
		status,
		hint: 'Check the bucket, --endpoint and AWS_REGION, and that the credentials may list, read and write its objects.',
		retryable: status >= 500 || status === CONFLICT || status === 429,
	});
}

function unreachable(endpoint: string, what: string, cause: unknown): LifeboatError {
	return new LifeboatError(`${endpoint} cannot be reached to ${what}: ${reasonOf(cause)}.`, {
		code: 's3_unreachable',
		status: 503,
		hint: 'Check --endpoint, and run the command again: it goes on where it stopped.',
		retryable: true,
		cause,
	});
}
