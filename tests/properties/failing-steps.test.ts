import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { begin, contentsOf, fill, finish, inSteps } from '../stepped-backups.ts';
import { reset } from '../reset.ts';
import { clock, createBackup, emptyBucket, engine, keys } from '../backups.ts';
import { counted, isTurn, LONG, SEED } from '../counts.ts';
import { dyingEngine, failingBucket, failingDatabase } from '../failing.ts';
import { listBackups, resumeBackup } from '../../src/lib/server/backup/index.ts';
import { TICKET_MS } from '../../src/lib/server/backup/make/job.ts';
import { manifestKey, sliceListKey } from '../../src/lib/server/backup/format/names.ts';
import { LEASE_MS } from '../../src/lib/server/backup/storage/lock.ts';

beforeEach(reset);

describe('a step that fails', { timeout: LONG ? 600_000 : 120_000 }, () => {
	test('at any call of D1 or R2 leaves the job as it was, and the same ticket resumes it', async () => {
		await fill(100);
		const whole = await contentsOf(await createBackup(engine()));
		let failed = 0;
		for (let n = 1; n < 12; n++) {
			const ticket = await begin(n % 5);
			for (const broken of [
				failingDatabase(env.DB, n, 'Network connection lost', { forGood: true }),
				failingBucket(env.MY_BUCKET, n),
				failingBucket(env.MY_BUCKET, n, { afterwards: true }),
			]) {
				const { failures, ...binding } = broken;
				const outcome = resumeBackup(inSteps(binding), ticket);
				await outcome.catch((error: unknown) => expect(error).toMatchObject({ retryable: true }));
				failed += failures.failed;
			}
			const manifest = await finish(ticket).catch(() => null);
			// The attempt may have succeeded after all; then the ticket is no longer the newest.
			if (manifest === null) await emptyBucket();
			else expect(await contentsOf(manifest)).toEqual(whole);
		}
		expect(failed).toBeGreaterThan(10);
	});

	test('because its Worker died at any moment is repeated with the same ticket', async () => {
		await fill(100);
		const whole = await contentsOf(await createBackup(engine()));
		for (const afterwards of [false, true]) {
			for (let n = 1; n <= 12; n++) {
				if (!isTurn(n + Number(afterwards))) continue; // dies before one call, and after the next
				const ticket = await begin(n % 7);
				const dying = dyingEngine(inSteps(), n, { afterwards });
				await Promise.race([dying.died, resumeBackup(dying.engine, ticket)]);
				clock.now += LEASE_MS;
				const manifest = await finish(ticket);
				expect(await contentsOf(manifest), `call ${n}, LIFEBOAT_SEED=${SEED}`).toEqual(whole);
				const files = (await keys()).filter((key) => key.startsWith(manifest.name));
				expect(files.toSorted()).toEqual(
					[
						...manifest.volumes.map(({ key }) => key),
						manifestKey(manifest.name),
						sliceListKey(manifest.name),
					].toSorted(),
				);
				await emptyBucket();
			}
		}
	});

	test('because its Worker died leaves nothing once the next backup has succeeded', async () => {
		await fill(100);
		const counting = dyingEngine(inSteps(), Number.POSITIVE_INFINITY);
		await createBackup(counting.engine);
		await emptyBucket();
		const moments = fc.integer({ min: 1, max: counting.calls() });
		const random = fc.sample(moments, { numRuns: counted(80), seed: SEED });
		for (const [round, n] of random.entries()) {
			const dying = dyingEngine(inSteps(), n, { afterwards: round % 2 === 0 });
			void createBackup(dying.engine).catch(() => {});
			await dying.died;
			const dead = (await listBackups(engine())).backups;
			clock.now += TICKET_MS;
			const { name } = await createBackup(inSteps());
			const listed = (await listBackups(engine())).backups.map((backup) => backup.name);
			// If it died after writing its manifest, it counts as a backup.
			expect(listed, `call ${n}, LIFEBOAT_SEED=${SEED}`).toEqual([
				name,
				...dead.map((backup) => backup.name),
			]);
			const names = new Set((await keys()).map((key) => key.slice(0, name.length)));
			expect([...names].toSorted(), `call ${n}`).toEqual(listed.toSorted());
			await emptyBucket();
		}
	});
});
