import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cases } from '../../../../../../tests/databases/cases.ts';
import { databases } from '../../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../../tests/databases/settings.ts';
import { apply, type Sql } from '../../../../../../tests/databases/sql.ts';
import { sleep } from '../../../../../../tests/memory.ts';
import { reset } from '../../../../../../tests/reset.ts';
import { d1 } from '../../database.ts';
import { Reader } from '../reader.ts';
import { type StepEnd, writeScript, writeStep } from '../script.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { dropStage } from '../../stage-tables.ts';
import { makeStage } from './make.ts';
import { stageOf } from './read.ts';

const room = () => Number.POSITIVE_INFINITY;
const OWNER = 'full_backup_2026-11-22T21:52:00.000Z';

/** The file as it is read from the database itself. */
async function direct(): Promise<string> {
	const chunks: Uint8Array[] = [];
	const script = writeScript(new Reader(d1(env.DB), sleep), { title: [] });
	for await (const chunk of script) chunks.push(chunk);
	return Buffer.concat(chunks).toString();
}

/** The file as it is read from a stage with pages of this size, in steps of so many queries. */
async function staged(queries: number, pageBytes = 900_000): Promise<string> {
	const options = { owner: OWNER, sleep, now: Date.now, room, pageBytes };
	const stage = await makeStage(d1(env.DB), options);
	const chunks: Uint8Array[] = [];
	let from: Checkpoint | null = null;
	for (;;) {
		const reader = new Reader(stageOf(d1(env.DB), OWNER), sleep);
		const options = { title: [], from, stage: from ? null : stage };
		const script = writeStep(reader, {
			...options,
			mustPause: () => reader.cost.queries >= queries,
		});
		let step = await script.next();
		while (!step.done) {
			chunks.push(step.value);
			step = await script.next();
		}
		const end: StepEnd = step.value;
		if ('summary' in end) break;
		from = JSON.parse(JSON.stringify(end.checkpoint)) as Checkpoint;
	}
	await dropStage(d1(env.DB), sleep);
	return Buffer.concat(chunks).toString();
}

async function build(statements: readonly Sql[]): Promise<void> {
	await reset();
	await apply(env.DB, statements);
}

test.for(cases)('$name', async ({ statements }) => {
	await build(statements);
	const expected = await direct();
	const isMany = statements.length > 100;
	expect(await staged(isMany ? 250 : 7)).toBe(expected);
	expect(await staged(isMany ? 250 : 50, 30_000)).toBe(expected);
	expect(await direct()).toBe(expected);
});

test('generated databases', settings(200).test, async () => {
	await fc.assert(
		fc.asyncProperty(databases(), async ({ statements }) => {
			await build(statements);
			const expected = await direct();
			expect(await staged(5, 300)).toBe(expected);
		}),
		settings(200).check,
	);
});
