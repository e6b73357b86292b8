import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { freePort } from '../src/cli/embedded/server.ts';

// A stand-in for a storage that speaks S3. It checks each signature by the steps of AWS's documentation,
// "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".

/** Milliseconds that a signature may be old. */
const MAX_SKEW_MS = 15 * 60_000;
/** Objects on a page of the list, so that a list has several. */
const PAGE = 3;

export const BUCKET = 'copies';
const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const REGION = 'eu-test-1';

/** The settings with which a program may use the stand-in. */
export const S3_SETTINGS = {
	AWS_ACCESS_KEY_ID: ACCESS_KEY,
	AWS_SECRET_ACCESS_KEY: SECRET_KEY,
	AWS_REGION: REGION,
};

/** What is signed of a request. */
export interface Signable {
	method: string;
	/** Path and query, as they are sent. */
	url: string;
	/** By their names in lower case. */
	headers: Record<string, string>;
	/** In the order in which they are signed. */
	signedHeaders: string[];
	/** Credential scope: date, region, service. */
	scope: [date: string, region: string, service: string];
}

/** The signature of a request, in hexadecimal. */
export function signatureOf(request: Signable, secretKey: string): string {
	const { method, url, headers, signedHeaders, scope } = request;
	const { pathname, search } = new URL(url, 'http://s3.test');
	const canonical = [
		method,
		escaped(decodeURIComponent(pathname)).replaceAll('%2F', '/'),
		canonicalQuery(search),
		...signedHeaders.map((name) => `${name}:${headers[name]?.trim().replace(/ +/g, ' ')}`),
		'',
		signedHeaders.join(';'),
		headers['x-amz-content-sha256'],
	].join('\n');
	const credential = [...scope, 'aws4_request'].join('/');
	const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], credential, sha256(canonical)];
	const start: string | Buffer = `AWS4${secretKey}`;
	const key = [...scope, 'aws4_request'].reduce<string | Buffer>(hmac, start);
	return hmac(key, toSign.join('\n')).toString('hex');
}

function canonicalQuery(search: string): string {
	const pairs = [...new URLSearchParams(search)].map((pair) => pair.map(escaped));
	const sorted = pairs.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
	return sorted.map((pair) => pair.join('=')).join('&');
}

/** UriEncode of the documentation: every byte but the unreserved characters. */
function escaped(text: string): string {
	return encodeURIComponent(text).replace(
		/[!'()*]/g,
		(char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
	);
}

function hmac(key: string | Buffer, text: string): Buffer {
	return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: string | Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex');
}

/** What the stand-in does differently from Amazon's S3. */
export interface S3Options {
	/** Whether it knows If-None-Match on a PUT; else it answers 501. */
	conditions?: boolean;
	/** The first PUTs answer 503. */
	failures?: number;
	/** Stores an object of its own under the key of each PUT, just before it. */
	rival?: Buffer;
}

/** A running stand-in with one bucket. */
export class S3 implements AsyncDisposable {
	readonly objects = new Map<string, Buffer>();
	/** The requests, as `PUT /copies/key`. */
	readonly requests: string[] = [];
	url = '';
	#options: S3Options;
	readonly #server = createServer((request, response) => void this.#answer(request, response));

	constructor(options: S3Options = {}) {
		this.#options = options;
	}

	async start(): Promise<this> {
		const port = await freePort();
		await once(this.#server.listen(port, '127.0.0.1'), 'listening');
		this.url = `http://127.0.0.1:${port}`;
		return this;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, 'close');
	}

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const body = await buffer(request);
		const { method = '', url = '' } = request;
		this.requests.push(`${method} ${decodeURIComponent(url)}`);
		const { pathname, searchParams } = new URL(url, this.url);
		const [, bucket, ...path] = decodeURIComponent(pathname).split('/');
		const key = path.join('/');
		const problem = problemOf(request, body);
		if (problem !== null) return refuse(response, 403, problem);
		if (bucket !== BUCKET) return refuse(response, 404, 'NoSuchBucket');
		if (method === 'GET' && key === '') return void response.end(this.#list(searchParams));
		if (method === 'GET') return this.#get(request, response, key);
		if (method === 'PUT') return this.#put(request, response, { key, body });
		refuse(response, 405, 'MethodNotAllowed');
	}

	#get({ headers }: IncomingMessage, response: ServerResponse, key: string): void {
		const object = this.objects.get(key);
		if (object === undefined) return refuse(response, 404, 'NoSuchKey');
		const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
		if (first === undefined) return void response.end(object);
		if (Number(first) >= object.length) return refuse(response, 416, 'InvalidRange');
		response.writeHead(206);
		response.end(object.subarray(Number(first), last === '' ? undefined : Number(last) + 1));
	}

	#put(
		{ headers }: IncomingMessage,
		response: ServerResponse,
		{ key, body }: { key: string; body: Buffer },
	): void {
		const { conditions = true, rival } = this.#options;
		if ((this.#options.failures ?? 0) > 0) {
			this.#options = { ...this.#options, failures: (this.#options.failures ?? 0) - 1 };
			return refuse(response, 503, 'SlowDown');
		}
		const condition = headers['if-none-match'];
		if (condition !== undefined && !conditions) return refuse(response, 501, 'NotImplemented');
		if (rival) this.objects.set(key, rival);
		if (condition === '*' && this.objects.has(key)) {
			return refuse(response, 412, 'PreconditionFailed');
		}
		this.objects.set(key, body);
		response.end();
	}

	/** ListObjectsV2. */
	#list(query: URLSearchParams): string {
		const prefix = query.get('prefix') ?? '';
		const after = query.get('continuation-token') ?? '';
		const keys = [...this.objects.keys()].sort().filter((key) => {
			return key.startsWith(prefix) && !key.slice(prefix.length).includes('/') && key > after;
		});
		const page = keys.slice(0, PAGE);
		const contents = page.map((key) => {
			const size = this.objects.get(key)?.length;
			return `<Contents><Key>${key}</Key><ETag>&quot;x&quot;</ETag><Size>${size}</Size></Contents>`;
		});
		const next =
			keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
		return `<?xml version="1.0"?><ListBucketResult>${next}${contents.join('')}</ListBucketResult>`;
	}
}

function refuse(response: ServerResponse, status: number, code: string): void {
	response.writeHead(status, { 'Content-Type': 'application/xml' });
	response.end(`<Error><Code>${code}</Code><StringToSign>${SECRET_KEY}</StringToSign></Error>`);
}

/** Why a request is not authentic, as one of S3's codes; null if it is. */
function problemOf(request: IncomingMessage, body: Buffer): string | null {
	const headers = Object.fromEntries(
		Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
	);
	const authorization =
		/^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
	const [, id, date, region, names, signature] =
		authorization.exec(headers['authorization'] ?? '') ?? [];
	if (id !== ACCESS_KEY) return 'InvalidAccessKeyId';
	const time = (headers['x-amz-date'] ?? '').replace(
		/^(....)(..)(..T..)(..)(..Z)$/,
		'$1-$2-$3:$4:$5',
	);
	if (!(Math.abs(Date.now() - Date.parse(time)) < MAX_SKEW_MS)) return 'RequestTimeTooSkewed';
	const signedHeaders = (names ?? '').split(';');
	const mustBeSigned = [
		'host',
		...Object.keys(headers).filter((name) => /^x-amz-|^if-/.test(name)),
	];
	if (!mustBeSigned.every((name) => signedHeaders.includes(name))) return 'AccessDenied';
	const { method = '', url = '' } = request;
	const scope: Signable['scope'] = [date ?? '', region ?? '', 's3'];
	const expected = signatureOf({ method, url, headers, signedHeaders, scope }, SECRET_KEY);
	if (region !== REGION || signature !== expected) return 'SignatureDoesNotMatch';
	const payload = headers['x-amz-content-sha256'];
	const isSame = payload === 'UNSIGNED-PAYLOAD' ? method === 'GET' : payload === sha256(body);
	return isSame ? null : 'XAmzContentSHA256Mismatch';
}
