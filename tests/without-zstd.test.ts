import { beforeAll, expect, test, vi } from 'vitest';
import type {
	decoded as Decoded,
	encoderOf as EncoderOf,
} from '../src/lib/server/backup/storage/codec.ts';
import type { backupEncoding as BackupEncoding } from '../src/lib/server/backup/settings.ts';

// A runtime whose node:zlib has no zstd, such as an older workerd or Node 22.14.

vi.mock('node:zlib', async (original) => {
	const exports = Object.entries(await original<object>());
	return Object.fromEntries(exports.filter(([name]) => !/zstd/i.test(name)));
});

let backupEncoding: typeof BackupEncoding;
let decoded: typeof Decoded;
let encoderOf: typeof EncoderOf;
beforeAll(async () => {
	({ backupEncoding } = await import('../src/lib/server/backup/settings.ts'));
	({ decoded, encoderOf } = await import('../src/lib/server/backup/storage/codec.ts'));
});

const unavailable = expect.objectContaining({
	...{ code: 'zstd_unavailable', status: 500 },
	hint: expect.stringContaining('BACKUP_COMPRESSION to gzip'),
});

test('gzip works as ever', async () => {
	const encoding = backupEncoding({});
	expect(encoding).toEqual({ compression: 'gzip', recipients: [] });
	const stored = await encoderOf(encoding)(new Uint8Array());
	for await (const bytes of decoded(iterated([stored]), ['gzip'])) expect(bytes).toHaveLength(0);
});

test('the setting is refused before anything is stored', () => {
	expect(() => backupEncoding({ BACKUP_COMPRESSION: 'zstd' })).toThrow(unavailable);
	expect(() => encoderOf({ compression: 'zstd', recipients: [] })).toThrow(unavailable);
});

test('a volume that is compressed with it is not called damaged', () => {
	expect(() => decoded(iterated([]), ['zstd'])).toThrow(unavailable);
});

async function* iterated(parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
	yield* parts;
}
