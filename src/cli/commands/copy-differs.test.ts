import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBucket } from '../../../tests/app/bucket.ts';
import { CopiedApp, flipped, linesIn, resultsIn, volumeOf } from '../../../tests/copies.ts';
import { parseManifest, printManifest } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey, sliceListKey } from '../../lib/server/backup/format/names.ts';

// Copies where something is not right, at the destination or in the bucket of the app.

const copies = new CopiedApp();

describe('a file that differs is named, and left as it is', () => {
	test.for<[string, (name: string) => string, (text: Buffer) => Buffer, string[]]>([
		['a volume of another size', volumeOf, (bytes) => bytes.subarray(1), []],
		['with --check, a volume of the same size', volumeOf, flipped, ['--check']],
		[
			'a manifest with another count',
			manifestKey,
			(text) => Buffer.from(text.toString().replace(/"rows": \d+/, '"rows": 7777')),
			[],
		],
		['an empty manifest', manifestKey, () => Buffer.alloc(0), []],
	])('%s', async ([, fileOf, change, args]) => {
		await copies.copy();
		const file = fileOf(copies.names[1]);
		const path = join(copies.folder, file);
		writeFileSync(path, change(readFileSync(path)));
		const before = copies.contents();
		const { code, stdout } = await copies.command('copy', '--to', copies.folder, '--json', ...args);
		expect(resultsIn(stdout)).toEqual(
			copies.names.map((name, i) => [name, i === 1 ? 'differs' : 'there']),
		);
		expect(code).toBe(1);
		expect(linesIn(stdout)[1]?.details.join(' ')).toContain(file);
		expect(copies.contents()).toEqual(before);
	});

	test('a volume that was there before its backup was copied', async () => {
		mkdirSync(copies.folder);
		writeFileSync(join(copies.folder, volumeOf(copies.names[2])), 'something else');
		const { code, results } = await copies.copy();
		expect(results).toEqual(copies.names.map((name, i) => [name, i === 2 ? 'differs' : 'copied']));
		expect(code).toBe(1);
		expect(copies.contents().get(volumeOf(copies.names[2]))).toBe('something else');
		expect(copies.contents().has(manifestKey(copies.names[2]))).toBe(false);
	});

	test('a list of slices, of the same size only with --check', async () => {
		await copies.copy();
		const file = sliceListKey(copies.names[1]);
		const path = join(copies.folder, file);
		const text = readFileSync(path, 'utf8');
		for (const [other, args] of [
			[`${text}x`, []],
			[text.replace('2', '3'), ['--check']],
		] as const) {
			writeFileSync(path, other);
			const { code, stdout } = await copies.command(
				'copy',
				'--to',
				copies.folder,
				'--json',
				...args,
			);
			expect([code, linesIn(stdout)[1]]).toMatchObject([
				1,
				{ result: 'differs', details: [expect.anything(), expect.stringContaining(file)] },
			]);
			expect(readFileSync(path, 'utf8')).toBe(other);
		}
		rmSync(path);
		expect(await copies.copy()).toMatchObject({ code: 0 });
		expect(readFileSync(path, 'utf8')).toBe(text);
	});

	test('a proof, with --check', async () => {
		await copies.copy();
		const proof = readdirSync(copies.folder).find((file) => file.includes('.proof-')) ?? '';
		writeFileSync(join(copies.folder, proof), '{}');
		const args = ['--to', copies.folder, '--json', '--check'];
		const { code, stdout } = await copies.command('copy', ...args);
		expect([code, linesIn(stdout)[1]]).toMatchObject([
			1,
			{ result: 'differs', details: [expect.stringContaining(proof)] },
		]);
		expect(copies.contents().get(proof)).toBe('{}');
	});
});

// These change what the app has, so they come last.
describe('what is not right in the bucket of the app is not copied, and the rest is', () => {
	let opened: Awaited<ReturnType<typeof openBucket>>;
	let original: Map<string, Buffer>;
	beforeAll(async () => {
		opened = await openBucket(copies.app.folder);
		original = new Map();
		for (const key of [
			volumeOf(copies.names[0]),
			volumeOf(copies.names[2]),
			manifestKey(copies.names[1]),
		]) {
			const object = await opened.bucket.get(key);
			original.set(key, Buffer.from((await object?.arrayBuffer()) ?? []));
		}
	});
	afterEach(async () => {
		for (const [key, bytes] of original) await opened.bucket.put(key, bytes);
	});
	afterAll(() => opened?.[Symbol.asyncDispose]());

	test.for<[string, () => string, (bytes: Buffer) => Buffer | null, string]>([
		['a damaged volume', () => volumeOf(copies.names[2]), flipped, 'damaged'],
		[
			'a volume that is too short',
			() => volumeOf(copies.names[2]),
			(bytes) => bytes.subarray(1),
			'damaged',
		],
		['a missing volume', () => volumeOf(copies.names[2]), () => null, 'damaged'],
		['a forged manifest', () => manifestKey(copies.names[1]), forged, 'refused'],
		['an unsigned manifest', () => manifestKey(copies.names[1]), unsigned, 'refused'],
	])('%s', async ([, keyOf, change, result]) => {
		const key = keyOf();
		const bytes = change(original.get(key) ?? Buffer.alloc(0));
		if (bytes) await opened.bucket.put(key, bytes);
		else await opened.bucket.delete(key);
		const bad = copies.names.find((name) => key.startsWith(name)) ?? '';
		const { code, results } = await copies.copy();
		expect(results).toEqual(copies.names.map((name) => [name, name === bad ? result : 'copied']));
		expect(code).toBe(1);
		expect([...copies.contents().keys()]).not.toContain(manifestKey(bad));
	});

	test('a damaged full backup, and all that rests on it', async () => {
		const [full] = copies.names;
		await opened.bucket.put(
			volumeOf(full),
			flipped(original.get(volumeOf(full)) ?? Buffer.alloc(0)),
		);
		const { code, stdout } = await copies.command('copy', '--to', copies.folder, '--json');
		expect([code, resultsIn(stdout)]).toEqual([1, copies.all('damaged')]);
		for (const { details } of linesIn(stdout).slice(1)) {
			expect(details).toEqual([`The full backup ${full}, on which this one rests, is missing.`]);
		}
		expect([...copies.contents().keys()].filter((file) => file.includes('manifest'))).toEqual([]);
	});
});

function forged(text: Buffer): Buffer {
	const manifest = parseManifest(text.toString());
	return Buffer.from(printManifest({ ...manifest, warnings: ['All is well.'] }));
}

function unsigned(text: Buffer): Buffer {
	const { mac, ...manifest } = parseManifest(text.toString());
	expect(mac).toBeDefined();
	return Buffer.from(printManifest(manifest));
}
