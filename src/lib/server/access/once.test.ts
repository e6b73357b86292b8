import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { useUp } from './once.ts';

const NOW = Date.UTC(2026, 10, 25);
const code = (step: number) => ({ id: `current-${step}`, until: step * 30_000 });

beforeEach(reset);

const spent = async () =>
	(await env.MY_BUCKET.list({ prefix: 'access/' })).objects.map(({ key }) => key);

test('exactly one of many simultaneous calls uses up a code', async () => {
	const one = code(NOW / 30_000 + 2);
	const tries = Array.from({ length: 50 }, () => useUp(env.MY_BUCKET, one, NOW));
	expect((await Promise.all(tries)).filter((won) => won)).toHaveLength(1);
	expect(await useUp(env.MY_BUCKET, one, NOW + 20_000)).toBe(false);
});

test('different codes do not affect each other', async () => {
	const [one, other] = [code(NOW / 30_000 + 1), code(NOW / 30_000 + 2)];
	expect(await useUp(env.MY_BUCKET, one, NOW)).toBe(true);
	expect(await useUp(env.MY_BUCKET, other, NOW)).toBe(true);
});

test('expired codes are forgotten, and no others', async () => {
	const step = NOW / 30_000;
	for (let i = 0; i < 20; i++) await useUp(env.MY_BUCKET, code(step + i), NOW + i * 30_000);
	const keys = await spent();
	expect(keys.length).toBeLessThan(6);
	expect(keys.at(-1)).toContain(`current-${step + 19}`);
});
