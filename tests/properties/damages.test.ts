import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { damages, type Dice, effectOf, type Stored } from '../damages.ts';
import { SALE, SHOP } from '../databases/shop.ts';
import { backUpTwice } from '../differentials.ts';
import { settings } from '../databases/settings.ts';
import type { Sql } from '../databases/sql.ts';
import { counting } from '../databases/values.ts';
import { ENCODINGS, type EncodingTitle, identity, key } from '../encodings.ts';
import { backupOf, bytesOf, inMemory, sleep, volumesOf } from '../memory.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { d1, type SqlDatabase } from '../../src/lib/server/backup/database.ts';
import { drillFiles } from '../../src/lib/server/backup/prove/drill.ts';
import { printManifest } from '../../src/lib/server/backup/format/manifest.ts';
import { openParent } from '../../src/lib/server/backup/format/parent.ts';
import { restoreInto } from '../../src/lib/server/backup/restore/apply.ts';
import { clearDatabase, readContents } from '../../src/lib/server/backup/restore/contents.ts';
import { restoreTables } from '../../src/lib/server/backup/restore/tables.ts';
import { openManifest } from '../../src/lib/server/backup/format/signature.ts';
import { verifyFiles } from '../../src/lib/server/backup/prove/verify.ts';
import { isDamage } from '../../src/lib/server/backup/prove/damage.ts';
import { type BackupFiles, sqlOf } from '../../src/lib/server/backup/prove/files.ts';

// Whatever happens to the stored bytes of a backup, every way to prove or restore it notices.

const copy = d1(env.COPY);
const contents = async () => (await readContents(copy, sleep)).objects;

/** A budget so small that a backup takes several steps, each of which stores a volume. */
const IN_STEPS = { ...UNLIMITED, bytes: 20_000 };

/** A backup as it is stored. */
async function store(
	encoding: EncodingTitle,
	inSteps: boolean,
	statements: readonly Sql[] = SHOP,
): Promise<Stored> {
	const { manifest, open } = await backupOf(statements, encoding, inSteps ? IN_STEPS : UNLIMITED);
	const volumes = new Map<string, Uint8Array>();
	for (const volume of manifest.volumes) {
		const bytes = await open(volume.key);
		if (bytes) volumes.set(volume.key, await bytesOf({ open: () => bytes }));
	}
	expect(volumes.size > 1).toBe(inSteps);
	return { manifest: printManifest(manifest), volumes, encoding: ENCODINGS[encoding] };
}

/** A differential as it is stored, with its parent. */
async function storeDifferential(encoding: EncodingTitle): Promise<Stored> {
	const { full, differential } = await backUpTwice(encoding, {
		...{ statements: SHOP, changes: SALE, sliceSizes: { least: 1_000, more: 1_000, most: 3_000 } },
	});
	const volumes = new Map([...(await volumesOf(full)), ...(await volumesOf(differential))]);
	const [manifest, parent] = [printManifest(differential), printManifest(full)];
	return { manifest, parent, volumes, encoding: ENCODINGS[encoding] };
}

/** Opens a stored backup, read in chunks of the given sizes. Throws if the manifest is refused. */
function open({ manifest, parent: text, volumes }: Stored, sizes?: number[]): BackupFiles {
	const opened = openManifest(manifest, [key]);
	const parent = openParent(opened.manifest, text, (found) => openManifest(found, [key]));
	const files = inMemory(opened.manifest, volumes, sizes);
	return { ...files, ...opened, parent, identities: [identity] };
}

/** Restores as `npm run restore` does: verifies the files, then reads them again. */
async function restore(database: SqlDatabase, files: BackupFiles): Promise<string[]> {
	const { survey: found, differences } = await verifyFiles(files);
	if (found === null || differences.length > 0) return differences;
	await restoreInto(database, sqlOf(files), { survey: found, sleep });
	return [];
}

const WAYS: Record<string, (files: BackupFiles, target: SqlDatabase) => Promise<string[]>> = {
	verify: async (files) => (await verifyFiles(files)).differences,
	'verify without an identity': async (files) =>
		(await verifyFiles({ ...files, identities: [] })).differences,
	drill: async (files, target) => (await drillFiles(target, files, { sleep })).differences,
	restore: (files, target) => restore(target, files),
};

/** The target, and the number of statements run in it that can change something. */
function watched(database: SqlDatabase): { target: SqlDatabase; changes(): number } {
	let changes = 0;
	const target: SqlDatabase = {
		batch(statements) {
			changes += statements.filter((sql) => !/^\s*SELECT\b/.test(String(sql))).length;
			return database.batch(statements);
		},
	};
	return { target, changes: () => changes };
}

describe('1,000 damages', () => {
	const random = settings(1000);
	const stored: Stored[] = [];
	const others: Stored[] = [];
	beforeAll(async () => {
		for (const encoding of Object.keys(ENCODINGS) as EncodingTitle[]) {
			for (const inSteps of [false, true]) {
				stored.push(await store(encoding, inSteps));
				others.push(await store(encoding, inSteps));
			}
			stored.push(await storeDifferential(encoding));
			others.push(await storeDifferential(encoding));
		}
	});

	const kinds = fc.constantFrom(...Object.keys(damages));
	const dices = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

	test('each is found, and nothing that is damaged is restored', random.test, async () => {
		await fc.assert(
			fc.asyncProperty(fc.nat(stored.length - 1), kinds, dices, async (at, kind, stream) => {
				const dice: Dice = (below) => Math.floor(stream.next().value * below);
				const whole = stored[at] as Stored;
				const damaged = await damages[kind]?.(whole, dice, others[at] as Stored);
				if (damaged === undefined) throw new Error('no damage');
				const effect = effectOf(whole, damaged);
				for (const [way, find] of Object.entries(WAYS)) {
					const { target, changes } = watched(copy);
					const differences = await findings(damaged, [1000 + dice(20_000)], (files) =>
						find(files, target),
					);
					const isFound = differences.length > 0;
					if (effect !== 'unused') expect([way, isFound]).toEqual([way, effect === 'damage']);
					if (isFound) expect([way, changes()]).toEqual([way, 0]);
					else await clearDatabase(copy, sleep);
				}
			}),
			random.check,
		);
	});

	/** What one of the ways reports; if it throws, the error must say that the manifest is refused. */
	async function findings(
		damaged: Stored,
		sizes: number[],
		find: (files: BackupFiles) => Promise<string[]>,
	): Promise<string[]> {
		let files: BackupFiles;
		try {
			files = open(damaged, sizes);
		} catch (error) {
			expect(error).toMatchObject({ code: expect.stringMatching(/^manifest_/) });
			return [String(error)];
		}
		return find(files);
	}
});

describe('a volume that is replaced by other SQL between reads', () => {
	const replace = damages['other SQL and zeros, as long as before'];

	/** The files, except that from the `number`-th opening on they are the planted ones. */
	function replacedAt(number: number, whole: BackupFiles, planted: BackupFiles): BackupFiles {
		let openings = 0;
		return { ...whole, open: (key) => (++openings < number ? whole : planted).open(key) };
	}

	test.for(Object.keys(ENCODINGS) as EncodingTitle[])(
		'is not restored, whenever that happens: %s',
		async (encoding) => {
			const whole = await store(encoding, true);
			let planted = whole;
			for (const at of whole.volumes.keys().map((_, index) => index)) {
				planted = (await replace?.(planted, () => at, whole)) ?? planted;
			}
			let number = 1;
			for (; ; number++) {
				const files = replacedAt(number, open(whole), open(planted));
				const outcome = await restore(copy, files).catch((error: unknown) => error);
				if (Array.isArray(outcome) && outcome.length === 0) break;
				if (outcome instanceof Error) expect(isDamage(outcome)).toBe(true);
				expect(await contents()).toEqual([]);
			}
			// Read three times: to verify, to compare, to run.
			expect(number).toBe(3 * whole.volumes.size + 1);
			await clearDatabase(copy, sleep);
		},
	);

	/** A backup whose last slice contains other SQL the last time its only volume is opened. */
	async function replacedAtLast(statements: readonly Sql[]): Promise<BackupFiles> {
		const whole = await store('gzip', false, statements);
		const replaceSlice = damages['other SQL in a slice, as long as before'];
		const planted = await replaceSlice?.(whole, (below) => below - 1, whole);
		return replacedAt(3, open(whole), open(planted ?? whole));
	}

	test('is rolled back if part of it was already restored', async () => {
		const large: Sql[] = [
			...SHOP,
			[`${counting(60)} INSERT INTO users (name) SELECT hex(randomblob(40000)) FROM counting`],
		];
		const { target, changes } = watched(copy);
		const restored = restore(target, await replacedAtLast(large));
		await expect(restored).rejects.toMatchObject({ code: 'backup_damaged' });
		expect(changes()).toBeGreaterThan(5);
		expect(await contents()).toEqual([]);
	});

	test('leaves the table whose rows were to be restored as it is', async () => {
		const files = await replacedAtLast(SHOP);
		await env.COPY.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score REAL)');
		await env.COPY.exec(`INSERT INTO users VALUES (7, 'mine', 0.5)`);
		const { survey: found } = await verifyFiles(files);
		if (found === null) throw new Error('not verified');
		const restored = restoreTables(copy, sqlOf(files), ['users'], { survey: found, sleep });
		await expect(restored).rejects.toMatchObject({ code: 'backup_damaged' });
		const { results } = await env.COPY.prepare('SELECT * FROM users').all();
		expect(results).toEqual([{ id: 7, name: 'mine', score: 0.5 }]);
		expect(await contents()).toMatchObject([{ type: 'table', name: 'users' }]);
	});
});
