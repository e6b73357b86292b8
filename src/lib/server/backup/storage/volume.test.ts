import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { ENCODINGS } from '../../../../../tests/encodings.ts';
import { reset } from '../../../../../tests/reset.ts';
import { VolumeWriter } from './volume.ts';

beforeEach(reset);

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';

test('a volume that is there already stays, also when the new one is taken back', async () => {
	await env.MY_BUCKET.put(`${NAME}.2.sql`, 'of somebody');
	const context = { bucket: env.MY_BUCKET, sleep: async () => {} };
	const volume = new VolumeWriter(context, NAME, 2, ENCODINGS.plain);
	await volume.write(new TextEncoder().encode('SELECT 1;\n'));
	await expect(volume.finish()).rejects.toMatchObject({ code: 'volume_exists' });
	await volume.abort();
	expect(await (await env.MY_BUCKET.get(volume.key))?.text()).toBe('of somebody');
});
