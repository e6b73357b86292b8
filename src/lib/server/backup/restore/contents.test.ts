import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { databases } from '../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { apply } from '../../../../../tests/databases/sql.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { d1 } from '../database.ts';
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
