import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { operate, projectFolder, removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { CHANGED, CHANGED_RESULT, type StoredPair, storePair } from '../../../tests/stored-pair.ts';
import { manifestKey, sliceListKey } from '../../lib/server/backup/format/names.ts';
import type { Encoding } from '../../lib/server/backup/storage/codec.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { Progress } from '../terminal/progress.ts';
import { openBackup } from './files.ts';
import { verifyBackup } from './verify.ts';

// Differentials in a folder, beside the full backup on which they rest or as one file.

const MAC_KEY = 'a secret of the tests, long enough';
const context = { signal: new AbortController().signal, progress: new Progress() };

let project: string;
let identity: string;
let recipients: string[];
/** A folder for each test. */
let folder: string;
beforeAll(async () => {
	project = projectFolder();
	identity = join(project, 'own.agekey');
	recipients = [await makeIdentity(identity, false)];
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	folder = join(project, `folder-${Math.random()}`);
	mkdirSync(folder);
	vi.stubEnv('BACKUP_MAC_KEY', MAC_KEY);
	vi.stubEnv('AGE_IDENTITY_FILE', identity);
});
afterEach(() => {
	removeFolder(folder);
	vi.unstubAllEnvs();
});

const path = (name: string) => join(folder, name);

const WAYS = {
	gzip: () => ({ compression: 'gzip', recipients: [] }),
	'zstd, in steps': () => ({ compression: 'zstd', recipients: [] }),
	plain: () => ({ compression: 'off', recipients: [] }),
	'gzip and age, in steps': () => ({ compression: 'gzip', recipients }),
	'zstd and age': () => ({ compression: 'zstd', recipients }),
} satisfies Record<string, () => Encoding>;
type Way = keyof typeof WAYS;
const ALL = Object.keys(WAYS) as Way[];

const store = (way: Way = 'gzip') =>
	storePair(folder, {
		macKey: MAC_KEY,
		encoding: WAYS[way](),
		inSteps: way.endsWith('in steps'),
	});

/** The number of rows in a backup that this machine accepts. */
async function rowsIn(file: string): Promise<number> {
	return (await verifyBackup(await openBackup(path(file), { unsigned: false }, context), context))
		.rows;
}

const firstOf = ({ volumes: [volume] }: StoredPair['full']) => volume?.key ?? '';

const restore = (file: string, ...more: string[]) =>
	operate(project, 'restore', [path(file), '--to', path('restored.db'), '--json', ...more], {
		env: { BACKUP_URL: '' },
	});

/** Writes the whole differential into the file that the app calls so, and removes all other volumes. */
function downloadWhole({ full, differential }: StoredPair, as = firstOf(differential)): string {
	const parts = readFileSync(path(sliceListKey(differential.name)), 'utf8')
		.trimEnd()
		.split('\n')
		.map((line) => {
			const [volume = '', offset = '', bytes = ''] = line.split(' ');
			return readFileSync(path(volume)).subarray(Number(offset), Number(offset) + Number(bytes));
		});
	for (const { key } of [...full.volumes, ...differential.volumes]) rmSync(path(key));
	writeFileSync(path(as), Buffer.concat(parts));
	return as;
}

describe.for(ALL)('a differential stored as %s', (way) => {
	test('is restored with the files of its parent in the same folder', async () => {
		const pair = await store(way);
		expect(pair.full.volumes.length > 1).toBe(way.endsWith('in steps'));
		expect(await rowsIn(firstOf(pair.differential))).toBe(401);
		expect(await restore(manifestKey(pair.differential.name))).toMatchObject({ code: 0 });
		expect(sqlite3(path('restored.db'), CHANGED)).toBe(CHANGED_RESULT);
	});

	test('is restored with files that a browser saved', async () => {
		const { full, differential } = await store(way);
		for (const { name, volumes } of [full, differential]) {
			for (const key of [manifestKey(name), ...volumes.map(({ key }) => key)]) {
				renameSync(path(key), path(key.replaceAll(':', '-')));
			}
		}
		expect(await rowsIn(firstOf(differential).replaceAll(':', '-'))).toBe(401);
	});

	test('is restored from the one file that the app gives, without its parent', async () => {
		const pair = await store(way);
		const file = downloadWhole(pair);
		rmSync(path(manifestKey(pair.full.name)));
		expect(await rowsIn(file)).toBe(401);
		expect(await rowsIn(manifestKey(pair.differential.name))).toBe(401);
		const bytes = readFileSync(path(file));
		writeFileSync(path(file), bytes.with(bytes.length - 40, (bytes.at(-40) ?? 0) ^ 1));
		await expect(rowsIn(file)).rejects.toMatchObject({ code: 'backup_differs' });
	});

	test('is restored from that file under any name', async () => {
		expect(await rowsIn(downloadWhole(await store(way), 'my backup'))).toBe(401);
	});
});

describe.for(['gzip', 'zstd, in steps'] as const)('a differential stored as %s', (way) => {
	test.for(['full', 'differential'] as const)(
		'is restored after the volumes of the %s one were unpacked',
		async (which) => {
			const pair = await store(way);
			const program = way === 'gzip' ? ['gunzip'] : ['zstd', '-d', '-q', '--rm'];
			for (const { key } of pair[which].volumes) {
				execFileSync(program[0] ?? '', [...program.slice(1), path(key)]);
				expect(existsSync(path(key))).toBe(false);
			}
			expect(await rowsIn(manifestKey(pair.differential.name))).toBe(401);
			const [unpacked = ''] = firstOf(pair[which]).split(/(?<=\.sql)/);
			const text = readFileSync(path(unpacked), 'utf8');
			writeFileSync(path(unpacked), text.replaceAll('user 1', 'user 2'));
			await expect(rowsIn(manifestKey(pair.differential.name))).rejects.toMatchObject({
				code: 'backup_differs',
			});
		},
	);
});

test('the whole is restored after it was unpacked', async () => {
	const pair = await store();
	execFileSync('gunzip', [path(downloadWhole(pair))]);
	expect(await rowsIn(firstOf(pair.differential).replace('.gz', ''))).toBe(401);
	expect(await rowsIn(manifestKey(pair.differential.name))).toBe(401);
});

describe('without the files of its parent', () => {
	test('a differential is refused, and the error names what is missing', async () => {
		const { full, differential } = await store();
		const manifest = manifestKey(differential.name);
		rmSync(path(firstOf(full)));
		const noVolume = await restore(manifest);
		expect([noVolume.code, JSON.parse(noVolume.stdout)]).toMatchObject([
			1,
			{
				code: 'backup_differs',
				details: [`The volume ${firstOf(full)} of the full backup is missing.`],
			},
		]);
		rmSync(path(manifestKey(full.name)));
		const noManifest = await restore(manifest);
		expect([noManifest.code, JSON.parse(noManifest.stdout)]).toMatchObject([
			1,
			{ code: 'parent_missing', error: expect.stringContaining(full.name) },
		]);
		expect(existsSync(path('restored.db'))).toBe(false);
	});

	test('a drill finds that', async () => {
		const { full, differential } = await store();
		rmSync(path(manifestKey(full.name)));
		const args = ['--file', path(manifestKey(differential.name)), '--json'];
		const { code, stdout } = await operate(project, 'drill', args, { env: { BACKUP_URL: '' } });
		expect([code, JSON.parse(stdout)]).toMatchObject([
			1,
			{
				proven: false,
				differences: [`The full backup ${full.name}, on which this one rests, is missing.`],
			},
		]);
	});

	test('another one is not taken for it', async () => {
		const { full, differential } = await store();
		const other = manifestKey(full.name);
		const text = readFileSync(path(other), 'utf8');
		writeFileSync(path(other), text.replace('"warnings": []', '"warnings": ["x"]'));
		await expect(rowsIn(manifestKey(differential.name))).rejects.toMatchObject({
			code: 'parent_differs',
		});
	});
});

test('a differential is not restored with --unsigned, and its full backup is', async () => {
	const { full, differential } = await store();
	const { code, stdout } = await restore(manifestKey(differential.name), '--unsigned');
	expect([code, JSON.parse(stdout)]).toMatchObject([2, { code: 'differential_unsigned' }]);
	expect(await restore(manifestKey(full.name), '--unsigned')).toMatchObject({ code: 0 });
	expect(sqlite3(path('restored.db'), CHANGED)).toBe('400|0');
});
