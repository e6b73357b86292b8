import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
	copyFileSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { R2Bucket } from '@cloudflare/workers-types';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { getPlatformProxy } from 'wrangler';
import {
	dumpLocally,
	localDifferences,
	operate,
	projectFolder,
	removeFolder,
	sqlite3,
} from '../../../tests/operator.ts';
import {
	type Manifest,
	parseManifest,
	printManifest,
	printSummary,
} from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import { deriveKey, signManifest } from '../../lib/server/backup/format/signature.ts';
import { encoderOf } from '../../lib/server/backup/storage/codec.ts';
import { BackupApi } from '../client/api.ts';
import { openDatabase } from '../demo/database.ts';
import { loadSample } from '../demo/sample.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { type Server, startServer } from '../embedded/server.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const OTHER_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

/** The sample data, an SQL file of it, and an app that encrypts its backups. */
let project: string;
let original: string;
let plain: string;
let identity: string;
let recipient: string;
let otherIdentity: string;
let server: Server;
/** A backup that the app has made, and a folder with its files. */
let name: string;
let files: string;
let manifest: Manifest;
/** A folder for each test. */
let target: string;

beforeAll(async () => {
	project = projectFolder();
	[original, plain] = [join(project, 'original'), join(project, 'plain.sql')];
	[identity, otherIdentity] = [join(project, 'own.agekey'), join(project, 'other.agekey')];
	recipient = await makeIdentity(identity, false);
	await makeIdentity(otherIdentity, false);
	{
		await using opened = await openDatabase(original);
		await loadSample(opened.database);
	}
	await dumpLocally(original, plain);
	await start();
	const api = apiOf();
	({ name } = await api.create());
	files = join(project, 'files');
	mkdirSync(files);
	const text = await api.manifest(name);
	manifest = parseManifest(text);
	writeFileSync(join(files, manifestKey(name)), text);
	for (const { key } of manifest.volumes) await api.download(key, join(files, key));
});
afterAll(async () => {
	await server?.stop();
	removeFolder(project);
});
beforeEach(() => {
	target = join(project, `target-${Math.random()}`);
	mkdirSync(target);
});
afterEach(() => removeFolder(target));

async function start(): Promise<void> {
	const vars = { TOTP_SECRET: SECRET, BACKUP_AGE_RECIPIENTS: recipient };
	server = await startServer({ persistTo: original, vars });
}

const apiOf = () =>
	new BackupApi(server.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
const appEnv = () => ({ TOTP_SECRET: SECRET, BACKUP_URL: server.url });
const sum = (path: string) => sqlite3(path, '.sha3sum --schema');
const volumes = () => manifest.volumes.map(({ key }) => key);

/** For a drill a file stands behind an option. */
const drillArgs = (args: string[]) => (args[0]?.includes('/') ? ['--file', ...args] : args);

/** Runs both commands, which have to refuse, with nothing changed, and returns the error's code. */
async function refusal(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
	const path = join(target, 'refused.db');
	const restored = await operate(project, 'restore', [...args, '--to', path, '--json'], { env });
	const drilled = await operate(project, 'drill', [...drillArgs(args), '--json'], { env });
	const codes = [restored, drilled].map(({ stdout }) => JSON.parse(stdout).code as string);
	expect([restored.code, drilled.code, codes[1]]).toEqual([2, 2, codes[0]]);
	expect(existsSync(path)).toBe(false);
	for (const { stdout, stderr } of [restored, drilled]) {
		expect(stdout + stderr).not.toMatch(/AGE-SECRET-KEY|CREATE TABLE/);
	}
	return codes[0] ?? '';
}

/** Restores and drills, which has to work, and returns what was said beside. */
async function success(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
	const path = join(target, 'restored.db');
	const restored = await operate(project, 'restore', [...args, '--to', path], { env });
	expect(restored).toMatchObject({ code: 0 });
	expect(sqlite3(path, 'SELECT count(*) FROM demo_orders')).toBe('1200');
	const drilled = await operate(project, 'drill', [...drillArgs(args), '--json'], { env });
	expect(drilled).toMatchObject({ code: 0 });
	expect(JSON.parse(drilled.stdout)).toMatchObject({ proven: true, scope: 'contents' });
	rmSync(path);
	return restored.stderr + drilled.stderr;
}

describe('an encrypted backup', () => {
	test('is opened by age, gunzip and sqlite3 alone, with every value', () => {
		const restored = join(target, 'restored.db');
		const sql = volumes().map((key) => {
			expect(key).toMatch(/\.sql\.gz\.age$/);
			const gzipped = execFileSync('age', ['-d', '-i', identity, join(files, key)]);
			return execFileSync('gunzip', { input: gzipped, maxBuffer: 1e8 });
		});
		sqlite3(restored, Buffer.concat(sql).toString());
		const expected = join(target, 'expected.db');
		sqlite3(expected, readFileSync(plain, 'utf8'));
		expect(sum(restored)).toBe(sum(expected));
	});

	test('says nothing of the contents but names and counts', () => {
		const stored = readdirSync(files).map((file) => readFileSync(join(files, file), 'latin1'));
		const [core = ''] = /"tables":.*\}/.exec(readFileSync(plain, 'utf8').slice(-20_000)) ?? [];
		const digests = core.match(/[0-9a-f]{64}/g) ?? [];
		expect(digests.length).toBeGreaterThan(10);
		expect(stored.join()).not.toContain('INSERT INTO');
		expect(digests.filter((digest) => stored.join().includes(digest))).toEqual([]);
	});

	test('restores and drills with its identity, from the app', async () => {
		await success(['latest', '--identity', identity], appEnv());
		await success([name], { ...appEnv(), AGE_IDENTITY_FILE: identity });
		const local = ['--to', `local:${target}`, '--identity', identity];
		expect(
			await operate(project, 'restore', ['latest', ...local], { env: appEnv() }),
		).toMatchObject({
			code: 0,
		});
		expect(await localDifferences(original, target)).toEqual([]);
	});

	test('restores and drills from files, found by any of them', async () => {
		const [volume = ''] = volumes();
		for (const file of [volume, manifestKey(name)]) {
			await success([join(files, file), '--identity', identity], { TOTP_SECRET: SECRET });
		}
	});

	test('restores from a volume alone, for which there is no manifest to check', async () => {
		const lone = join(target, 'backup.sql.gz.age');
		copyFileSync(join(files, volumes()[0] ?? ''), lone);
		expect(await refusal([lone], {})).toBe('identity_needed');
		expect(await refusal([lone, '--identity', otherIdentity], {})).toBe('identity_wrong');
		await success([lone, '--identity', identity], {});
	});

	test('finds its identity by .env', async () => {
		const env = join(project, '.env');
		writeFileSync(env, `TOTP_SECRET=${SECRET}\nAGE_IDENTITY_FILE="${identity}"\n`);
		try {
			await success(['latest'], { BACKUP_URL: server.url });
		} finally {
			rmSync(env);
		}
	});

	test('is refused without its identity', async () => {
		expect(await refusal(['latest'], appEnv())).toBe('identity_needed');
		const wrong = ['latest', '--identity', otherIdentity];
		expect(await refusal(wrong, appEnv())).toBe('identity_wrong');
	});

	test.for([
		['that is not there', null, 'There is no identity'],
		['with a passphrase', 'age-encryption.org/v1\n-> scrypt x 18\n', 'passphrase'],
		['without any key', '# public key: age1\n', 'has no identity'],
		['of another kind', '# mine\nAGE-PLUGIN-SECRET-1XYZ\n', 'Line 2 of'],
		['with a mistake', 'AGE-SECRET-KEY-1QQQQ\n', 'Line 1 of'],
	] as const)('is refused with an identity %s, which is not shown', async ([, text, told]) => {
		const path = join(target, 'bad.agekey');
		if (text !== null) writeFileSync(path, text);
		const { code, stdout } = await operate(
			project,
			'drill',
			['latest', '--identity', path, '--json'],
			{ env: appEnv() },
		);
		expect([code, JSON.parse(stdout)]).toMatchObject([
			2,
			{ code: 'identity_unreadable', error: expect.stringContaining(told) },
		]);
		expect(stdout).not.toMatch(/SECRET-1XYZ|KEY-1QQQQ/);
	});

	test('takes a post-quantum identity too', async () => {
		const hybrid = join(target, 'hybrid.agekey');
		const recipients = [await makeIdentity(hybrid, true)];
		const lone = join(target, 'hybrid.sql.age');
		writeFileSync(lone, await encoded(readFileSync(plain), recipients, false));
		await success([lone, '--identity', hybrid], {});
		expect(await refusal([lone, '--identity', identity], {})).toBe('identity_wrong');
	});
});

describe('a backup that the app has not signed', () => {
	const env = { TOTP_SECRET: SECRET };
	const foreign = deriveKey(Buffer.from('somebody else'));
	let path: string;
	beforeEach(() => {
		for (const key of volumes()) copyFileSync(join(files, key), join(target, key));
		path = join(target, manifestKey(name));
	});
	const plant = (planted: object) => writeFileSync(path, JSON.stringify(planted));

	test.for<[string, () => object, string]>([
		['without a MAC', () => ({ ...manifest, mac: undefined }), 'manifest_unsigned'],
		['with the MAC of others', () => signManifest(bare(), foreign), 'manifest_forged'],
		['that was changed', () => ({ ...manifest, database: 'OTHER' }), 'manifest_forged'],
	])('%s is refused, and taken with --unsigned', async ([, planted, code]) => {
		plant(planted());
		const args = [path, '--identity', identity];
		expect(await refusal(args, env)).toBe(code);
		expect(await success([...args, '--unsigned'], env)).toContain('Warning: nothing proves');
	});

	test('in the bucket is refused as the latest', async () => {
		const sql = readFileSync(plain);
		const stored = await encoded(sql, [recipient], true); // the public key is enough for that
		const late = 'full_backup_2099-01-01T00:00:00.000Z';
		const key = `${late}.sql.gz.age`;
		const sha256 = createHash('sha256').update(stored).digest('hex');
		const [volume] = manifest.volumes;
		if (!volume) throw new Error('The backup has no volume.');
		const planted: Manifest = {
			...{ ...bare(), name: late },
			volumes: [{ ...volume, key, bytes: stored.length, sha256, sqlBytes: sql.length }],
		};
		await inBucket(async (bucket) => {
			await bucket.put(key, stored);
			const customMetadata = { summary: printSummary(planted) ?? '' };
			await bucket.put(manifestKey(late), printManifest(planted), { customMetadata });
		});
		const args = ['latest', '--identity', identity];
		expect(await refusal(args, appEnv())).toBe('manifest_unsigned');
		expect(await success([...args, '--unsigned'], appEnv())).toContain(late);

		// An older backup with its good MAC, under the name of the newest.
		await inBucket(async (bucket) => {
			const customMetadata = { summary: printSummary(planted) ?? '' };
			await bucket.put(manifestKey(late), printManifest(manifest), { customMetadata });
		});
		expect(await refusal(args, appEnv())).toMatch(/^(backup_not_found|manifest_unreadable)$/);
		await inBucket((bucket) => bucket.delete([key, manifestKey(late)]));
	});

	test('as its own, but of another name, is refused on this machine too', async () => {
		const other = join(target, manifestKey('full_backup_2099-01-01T00-00-00.000Z'));
		writeFileSync(other, printManifest(manifest));
		const args = [other, '--identity', identity];
		expect(await refusal(args, env)).toBe('manifest_unreadable');
	});

	test('is not told from others without a secret', async () => {
		plant(manifest);
		const args = [path, '--identity', identity];
		const none = { TOTP_SECRET: '' };
		expect(await refusal(args, none)).toBe('mac_key_missing');
		expect(await success([...args, '--unsigned'], none)).toContain('Warning');
	});

	test('with the secret of now is told by the one before, and by no other', async () => {
		plant(manifest);
		const args = [path, '--identity', identity];
		expect(await refusal(args, { TOTP_SECRET: OTHER_SECRET })).toBe('manifest_forged');
		const both = { TOTP_SECRET: OTHER_SECRET, TOTP_SECRET_PREVIOUS: SECRET };
		expect(await success(args, both)).not.toContain('Warning');
		const macKey = { ...env, BACKUP_MAC_KEY: 'k'.repeat(32) };
		expect(await refusal(args, macKey)).toBe('manifest_forged');
	});

	/** The manifest as an attacker writes it. */
	function bare(): Manifest {
		const copy = { ...manifest };
		delete copy.mac;
		return copy;
	}

	/** Does something to the bucket while the app is down. */
	async function inBucket(work: (bucket: R2Bucket) => Promise<unknown>): Promise<void> {
		await server.stop();
		const { env: bindings, dispose } = await getPlatformProxy<{ MY_BUCKET: R2Bucket }>({
			persist: { path: join(original, 'v3') }, // where the server keeps it in that folder
			envFiles: [],
			remoteBindings: false,
		});
		await work(bindings.MY_BUCKET);
		await dispose();
		await start();
	}
});

async function encoded(bytes: Buffer, recipients: string[], gzip: boolean): Promise<Buffer> {
	const encoder = encoderOf({ gzip, recipients });
	return Buffer.concat([...(await encoder.push(bytes)), ...(await encoder.end())]);
}
