import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reset } from '../reset.ts';
import { settings } from '../databases/settings.ts';
import { lockedBucket } from '../locked-bucket.ts';
import { SimulatedBucket } from '../simulation/bucket.ts';

// Proves that the simulation's bucket behaves like R2.

const [ONE, TWO] = ['full_backup_2026-11-22T00:00:00.000Z', 'full_backup_2026-11-23T00:00:00.000Z'];
const KEYS = [
	...[`${ONE}.sql`, `${ONE}.manifest.json`, `${TWO}.sql`, 'x.lock'],
	...['keep/a', 'keep/b', 'keep', 'z/a'],
];
const key = fc.constantFrom(...KEYS);
const text = fc.constantFrom('', 'a', 'b');

type Call = (bucket: R2Bucket) => Promise<unknown>;
interface Shown {
	key: string;
	etag: string;
	size: number;
	customMetadata?: Record<string, string>;
}

const shown = (object: Shown | null) =>
	object && [object.key, object.etag, object.size, object.customMetadata?.['m']];

const calls: fc.Arbitrary<Call> = fc.oneof(
	key.map(
		(name): Call =>
			async (bucket) =>
				shown(await bucket.head(name)),
	),
	key.map(
		(name): Call =>
			async (bucket) =>
				(await bucket.get(name))?.text(),
	),
	fc.tuple(key, text).map(([name, value]): Call => async (bucket) => {
		return shown(await bucket.put(name, value, { customMetadata: { m: value } }));
	}),
	fc.tuple(key, text).map(([name, value]): Call => async (bucket) => {
		return shown(await bucket.put(name, value, { onlyIf: { etagDoesNotMatch: '*' } }));
	}),
	fc.tuple(key, text, key).map(([name, value, other]): Call => async (bucket) => {
		const etag = (await bucket.head(other))?.etag ?? 'none';
		return shown(await bucket.put(name, value, { onlyIf: { etagMatches: etag } }));
	}),
	fc.array(key, { minLength: 1 }).map(
		(names): Call =>
			(bucket) =>
				bucket.delete(names),
	),
	fc.constantFrom('full_backup_', ONE, 'none').map((prefix): Call => {
		return async (bucket) => {
			const { objects, truncated } = await bucket.list({ prefix, include: ['customMetadata'] });
			return [objects.map(shown), truncated];
		};
	}),
	fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('', 'keep', 'x')).map(
		([limit, startAfter]): Call =>
			(bucket) =>
				walkOf(bucket, { limit, startAfter }),
	),
	fc.tuple(fc.constantFrom('full_backup_', ''), fc.constantFrom(1, 2, 3)).map(
		([prefix, limit]): Call =>
			(bucket) =>
				pagesOf(bucket, { prefix, limit }),
	),
);

/** All pages of a list with folders, one entry for each object and folder. */
async function walkOf(
	bucket: R2Bucket,
	{ limit, startAfter }: { limit: number; startAfter: string },
): Promise<unknown[]> {
	const found: unknown[] = [];
	let place: { startAfter?: string; cursor?: string } = startAfter === '' ? {} : { startAfter };
	for (;;) {
		const page = await bucket.list({
			...{ delimiter: '/', limit, include: ['customMetadata'] as const },
			...place,
		});
		found.push(...page.objects.map(shown), ...page.delimitedPrefixes);
		if (!page.truncated) return found;
		place = { cursor: page.cursor };
	}
}

/** The keys on each page of a list. */
async function pagesOf(
	bucket: R2Bucket,
	options: { prefix: string; limit: number },
): Promise<string[][]> {
	const pages: string[][] = [];
	let cursor: string | undefined;
	do {
		const page = await bucket.list({ ...options, ...(cursor !== undefined && { cursor }) });
		pages.push(page.objects.map((object) => object.key));
		cursor = page.truncated ? page.cursor : undefined;
	} while (cursor !== undefined);
	return pages;
}

const outcome = (call: Call, bucket: R2Bucket) =>
	call(bucket).then(
		(value) => ({ value }),
		() => 'an error',
	);

const generated = settings(50);

test('the simulated bucket answers as R2 does', generated.test, async () => {
	await fc.assert(
		fc.asyncProperty(fc.boolean(), fc.array(calls, { maxLength: 30 }), async (locked, all) => {
			await reset();
			const real = locked ? lockedBucket(env.MY_BUCKET) : env.MY_BUCKET;
			const simulated = new SimulatedBucket({ locked }).binding(async (call) => call(), Date.now);
			for (const call of all) {
				expect(await outcome(call, simulated)).toEqual(await outcome(call, real));
			}
		}),
		generated.check,
	);
});
