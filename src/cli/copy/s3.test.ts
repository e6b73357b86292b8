import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BUCKET, S3, S3_SETTINGS, type S3Options, signatureOf } from '../../../tests/s3.ts';
import type { Destination } from './destination.ts';
import { openDestination } from './open.ts';

const NEVER = new AbortController().signal;
const NAME = 'full_backup_2026-11-22T21:52:00.000Z.sql.gz';
const BYTES = Buffer.from('the bytes of a volume');
const SHA256 = createHash('sha256').update(BYTES).digest('hex');

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-s3-'));
	file = join(folder, 'file');
	writeFileSync(file, BYTES);
	for (const [name, value] of Object.entries(S3_SETTINGS)) vi.stubEnv(name, value);
	vi.stubEnv('AWS_SESSION_TOKEN', '');
});
afterEach(() => {
	rmSync(folder, { recursive: true });
	vi.unstubAllEnvs();
});

const open = (url: string, to = `s3://${BUCKET}/app/daily`) => openDestination(to, url, NEVER);

async function withS3<T>(
	work: (destination: Destination, s3: S3) => Promise<T>,
	options: S3Options = {},
): Promise<T> {
	await using s3 = await new S3(options).start();
	return await work(open(s3.url), s3);
}

test('the stand-in signs as the examples of AWS do', () => {
	// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Examples"
	const [host, date] = ['examplebucket.s3.amazonaws.com', '20130524T000000Z'];
	const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
	const common = { host, 'x-amz-content-sha256': empty, 'x-amz-date': date };
	const sign = (method: string, url: string, headers: Record<string, string>) =>
		signatureOf(
			{
				...{ method, url, headers, signedHeaders: Object.keys(headers).sort() },
				scope: ['20130524', 'us-east-1', 's3'],
			},
			'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
		);
	expect(sign('GET', '/test.txt', { ...common, range: 'bytes=0-9' })).toBe(
		'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
	);
	const put = {
		...common,
		date: 'Fri, 24 May 2013 00:00:00 GMT',
		'x-amz-storage-class': 'REDUCED_REDUNDANCY',
		'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
	};
	expect(sign('PUT', '/test$file.text', put)).toBe(
		'98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
	);
	expect(sign('GET', '/?lifecycle', common)).toBe(
		'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
	);
	expect(sign('GET', '/?max-keys=2&prefix=J', common)).toBe(
		'34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
	);
});

test('a file is stored, listed and read under the prefix, in pages of a list', async () => {
	await withS3(async (destination, s3) => {
		expect(await destination.sizes()).toEqual(new Map());
		const names = Array.from({ length: 7 }, (_, i) => NAME.replace('.000Z', `.00${i}Z`));
		for (const name of names) expect(await destination.store(name, file, SHA256)).toBe(true);
		s3.objects.set(`app/daily/other/${NAME}`, BYTES);
		s3.objects.set(`app/${NAME}`, BYTES);
		expect(s3.objects.get(`app/daily/${names[0]}`)).toEqual(BYTES);
		expect(await destination.sizes()).toEqual(new Map(names.map((name) => [name, BYTES.length])));
		expect(await buffer(await destination.read(names[6] ?? ''))).toEqual(BYTES);
	});
});

test.for([true, false])('nothing is overwritten, with conditions: %s', async (conditions) => {
	await withS3(
		async (destination, s3) => {
			s3.objects.set(`app/daily/${NAME}`, Buffer.from('older'));
			expect(await destination.store(NAME, file, SHA256)).toBe(false);
			expect(s3.objects.get(`app/daily/${NAME}`)?.toString()).toBe('older');
			expect(await destination.store(`${NAME}.age`, file, SHA256)).toBe(true);
			expect(s3.objects.get(`app/daily/${NAME}.age`)).toEqual(BYTES);
		},
		{ conditions },
	);
});

test('an object that another program stores in the same moment stays', async () => {
	await withS3(
		async (destination, s3) => {
			expect(await destination.store(NAME, file, SHA256)).toBe(false);
			expect(s3.objects.get(`app/daily/${NAME}`)?.toString()).toBe('rival');
		},
		{ rival: Buffer.from('rival') },
	);
});

test('the storage refuses a body that was changed on its way', async () => {
	await withS3(async (destination, s3) => {
		const stored = destination.store(NAME, file, '0'.repeat(64));
		await expect(stored).rejects.toMatchObject({ code: 's3_refused', status: 403 });
		expect(s3.objects.size).toBe(0);
	});
});

test('a call that may succeed later is repeated', async () => {
	await withS3(
		async (destination, s3) => {
			expect(await destination.store(NAME, file, SHA256)).toBe(true);
			expect(s3.requests.length).toBe(2);
		},
		{ failures: 1 },
	);
});

test.for([
	['the key', { AWS_ACCESS_KEY_ID: 'AKIAOTHER' }, 403, 'InvalidAccessKeyId'],
	['the secret', { AWS_SECRET_ACCESS_KEY: 'other' }, 403, 'SignatureDoesNotMatch'],
	['the region', { AWS_REGION: 'eu-other-1' }, 403, 'SignatureDoesNotMatch'],
] as const)('with another value of %s it is refused, in words without a secret', async (row) => {
	const [, settings, status, code] = row;
	await using s3 = await new S3().start();
	for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
	const error: unknown = await open(s3.url)
		.sizes()
		.catch((thrown: unknown) => thrown);
	expect(error).toMatchObject({ code: 's3_refused', status });
	expect(String(error)).toContain(`HTTP ${status}, ${code}`);
	expect(JSON.stringify(error)).not.toContain('wJalrXUtn');
});

test('a bucket that is not there is named', async () => {
	await using s3 = await new S3().start();
	await expect(open(s3.url, 's3://nothing').sizes()).rejects.toMatchObject({
		code: 's3_refused',
		message: expect.stringContaining(
			's3://nothing/ refused to list the bucket: HTTP 404, NoSuchBucket',
		),
	});
});

test('a signal ends a call with its own reason', async () => {
	await using s3 = await new S3().start();
	const controller = new AbortController();
	const reason = new Error('stopped');
	controller.abort(reason);
	const destination = openDestination(`s3://${BUCKET}`, s3.url, controller.signal);
	await expect(destination.sizes()).rejects.toBe(reason);
});

describe('an address is refused', () => {
	test.for([
		['s3://', undefined],
		['s3:/bucket', undefined],
		['s3://UPPER/x', undefined],
		['s3://bucket/../other', undefined],
		['s3://bucket/a//b', undefined],
		['s3://bucket/a?b', undefined],
		['s3://bucket', 'http://s3.example.com'],
		['s3://bucket', 'https://s3.example.com/path'],
		['s3://bucket', 'https://user@s3.example.com'],
		['s3://bucket', 's3.example.com'],
		['gs://bucket', undefined],
		['folder', 'https://s3.example.com'],
	] as const)('%s at %s', ([to, endpoint]) => {
		const refused = () => openDestination(to, endpoint, NEVER);
		expect(refused).toThrow(expect.objectContaining({ code: 'usage' }));
	});

	test.for(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])('without %s', (name) => {
		vi.stubEnv(name, '');
		expect(() => open('https://s3.example.com')).toThrow(
			expect.objectContaining({ code: 's3_key_missing' }),
		);
	});
});
