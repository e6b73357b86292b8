import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { databases } from '../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { apply } from '../../../../../tests/databases/sql.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { d1 } from '../database.ts';
import { makeStage } from '../dump/stage/make.ts';
import { findStage, stageOwner } from '../stage-tables.ts';
import { clearDatabase, readContents } from './contents.ts';

const random = settings(150);

test('every generated database can be emptied', random.test, async () => {
	await fc.assert(
		fc.asyncProperty(databases(), async ({ statements }) => {
			await reset();
			await apply(env.DB, statements);
			await clearDatabase(d1(env.DB), sleep);
			expect((await readContents(d1(env.DB), sleep)).objects).toEqual([]);
		}),
		random.check,
	);
});

test('a stage is not among the contents, and is removed with them', async () => {
	await reset();
	await env.DB.prepare('CREATE TABLE t (x)').run();
	const options = { owner: stageOwner('full_backup_2026-11-22T21:52:00.000Z', 1), sleep };
	const room = () => Number.POSITIVE_INFINITY;
	await makeStage(d1(env.DB), { ...options, now: Date.now, room });
	const { objects } = await readContents(d1(env.DB), sleep);
	expect(objects.map(({ name }) => name)).toEqual(['t']);
	await clearDatabase(d1(env.DB), sleep);
	expect(await findStage(d1(env.DB), sleep)).toBeNull();
});
