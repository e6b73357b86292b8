import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import type { Environment } from '../../environment.ts';
import {
	type BackupSummary,
	type ListedBackup,
	type Manifest,
	parseManifest,
	printManifest,
	printSummary,
} from '../../backup/format/manifest.ts';
import { manifestKey } from '../../backup/format/names.ts';
import type { Proof } from '../../backup/format/proof.ts';
import { deriveKey, signManifest } from '../../backup/format/signature.ts';
import { decoded } from '../../backup/storage/codec.ts';
import { ENCODINGS, identity } from '../../../../../tests/encodings.ts';
import {
	API,
	authorized,
	backupObjects,
	call,
	expectError,
	makeBackup,
	SECRET,
} from '../../../../../tests/calls.ts';
import { bytesOf, sourceOf } from '../../../../../tests/memory.ts';
import { unsigned } from '../../../../../tests/plant.ts';
import { GET as getFile, POST as postFile } from './file.ts';
import { GET, POST } from './backups.ts';

// Compression, encryption and signatures, according to the app's settings.

beforeEach(async () => {
	await reset();
	await env.DB.batch(
		['CREATE TABLE t (x)', `INSERT INTO t VALUES ('secret'), (2)`].map((sql) =>
			env.DB.prepare(sql),
		),
	);
});

const encrypting = { BACKUP_AGE_RECIPIENTS: ENCODINGS.age.recipients.join(' ') };

const urlOf = (file: string) => `${API}/${encodeURIComponent(file)}`;

/** The bytes that GET returns for a file. */
async function fetched(file: string): Promise<Uint8Array> {
	const response = await call(getFile, await authorized({}, urlOf(file)));
	expect(response.status).toBe(200);
	expect(response.headers.get('Content-Encoding')).toBeNull();
	return new Uint8Array(await response.arrayBuffer());
}

async function prove(
	file: string,
	action: 'verify' | 'drill',
	changes: Partial<Environment> = {},
): Promise<Response> {
	const headers = { 'Content-Type': 'application/json' };
	const init = { method: 'POST', headers, body: JSON.stringify({ action }) };
	return call(postFile, await authorized(init, urlOf(file)), changes);
}

async function listed(): Promise<ListedBackup[]> {
	const answer = await (await call(GET, await authorized())).json();
	return (answer as { backups: ListedBackup[] }).backups;
}

async function manifestOf({ name }: BackupSummary): Promise<Manifest> {
	return parseManifest(new TextDecoder().decode(await fetched(manifestKey(name))));
}

describe.for([
	['without settings', {}, '.sql.gz', ['gzip']],
	['with BACKUP_COMPRESSION=off', { BACKUP_COMPRESSION: 'off' }, '.sql', []],
	['with BACKUP_COMPRESSION=zstd', { BACKUP_COMPRESSION: 'zstd' }, '.sql.zst', ['zstd']],
	['with recipients', encrypting, '.sql.gz.age', ['gzip', 'age']],
	[
		'with recipients and BACKUP_COMPRESSION=zstd',
		{ ...encrypting, BACKUP_COMPRESSION: 'zstd' },
		'.sql.zst.age',
		['zstd', 'age'],
	],
	[
		'with recipients and BACKUP_COMPRESSION=off',
		{ ...encrypting, BACKUP_COMPRESSION: 'off' },
		'.sql.age',
		['age'],
	],
] as const)('a backup made %s', ([, changes, suffix, encodings]) => {
	test(`is a file ${suffix}, that decodes to its SQL`, async () => {
		const backup = await makeBackup(changes);
		expect(backup.files).toEqual([`${backup.name}${suffix}`]);
		const manifest = await manifestOf(backup);
		expect(manifest.volumes).toMatchObject([{ encodings }]);
		const encrypted = suffix.endsWith('.age');
		const { recipients } = ENCODINGS.age;
		expect(manifest.encryption).toEqual(encrypted ? { recipients } : null);

		const stored = await fetched(backup.files[0] ?? '');
		expect(stored.length).toBe(backup.bytes);
		const open = () => decoded(sourceOf(stored).open(), [...encodings], [identity]);
		const sql = new TextDecoder().decode(await bytesOf({ open }));
		expect([sql.length, sql]).toEqual([backup.sqlBytes, expect.stringContaining(`'secret'`)]);
	});

	test('is signed, and verified as far as the app can decrypt it', async () => {
		const backup = await makeBackup(changes);
		expect((await manifestOf(backup)).mac).toMatch(/^[0-9a-f]{64}$/);
		const response = await prove(backup.files[0] ?? '', 'verify', changes);
		expect(response.status).toBe(200);
		const { proof } = (await response.json()) as { proof: Proof };
		const scope = suffix.endsWith('.age') ? 'stored' : 'contents';
		expect(proof).toMatchObject({ proven: true, scope });
		const at = proof.finishedAt;
		expect(await listed()).toMatchObject([{ verified: { at, proven: true, scope } }]);
	});
});

test('an encrypted backup is not drilled by the app, even after the setting is removed', async () => {
	const { files } = await makeBackup(encrypting);
	for (const changes of [encrypting, {}]) {
		const response = await prove(files[0] ?? '', 'drill', changes);
		const text = await expectError(response, 409, 'backup_encrypted');
		expect(text).toContain('npm run drill');
	}
	expect(await listed()).toMatchObject([{ drilled: null }]);
});

test.for([
	['BACKUP_COMPRESSION', 'brotli', 'backup_compression_invalid'],
	['BACKUP_AGE_RECIPIENTS', 'age1nobody', 'backup_age_recipients_invalid'],
	['BACKUP_MAC_KEY', 'short', 'backup_mac_key_too_short'],
] as const)('%s=%s stores nothing, and existing backups are still listed', async (bad) => {
	const [name, value, code] = bad;
	const { files } = await makeBackup();
	const before = await backupObjects();
	const post = call(POST, await authorized({ method: 'POST' }), { [name]: value });
	await expectError(await post, 500, code);
	expect(await backupObjects()).toEqual(before);
	expect(await listed()).toHaveLength(1);
	expect((await fetched(files[0] ?? '')).length).toBeGreaterThan(0);
});

describe('a backup that was put into the bucket without the secret', () => {
	const forgers: Record<string, [(manifest: Manifest) => Manifest, string]> = {
		'with no MAC': [unsigned, 'manifest_unsigned'],
		'with the MAC of another secret': [
			(manifest) => signManifest(unsigned(manifest), deriveKey(new Uint8Array(20))),
			'manifest_forged',
		],
		'with the MAC of the backup that it replaces': [
			(manifest) => ({ ...manifest, finishedAt: manifest.startedAt }),
			'manifest_forged',
		],
	};

	/** Overwrites the manifest, with a summary for the list like the app's. */
	async function plant(manifest: Manifest): Promise<void> {
		await env.MY_BUCKET.put(manifestKey(manifest.name), printManifest(manifest), {
			customMetadata: { summary: printSummary(manifest) ?? '' },
		});
	}

	test.for(Object.entries(forgers))('%s is refused, and no proof is made', async (forger) => {
		const [, [forge, code]] = forger;
		const backup = await makeBackup();
		await plant(forge(await manifestOf(backup)));
		for (const action of ['verify', 'drill'] as const) {
			const response = await prove(backup.files[0] ?? '', action);
			const text = await expectError(response, 422, code);
			expect(text).toContain('--unsigned');
		}
		// The list reads no manifest: it shows the backup, but as unproven.
		expect(await listed()).toMatchObject([{ name: backup.name, verified: null, drilled: null }]);
		// The files can still be downloaded for inspection.
		expect(await fetched(backup.files[0] ?? '')).toHaveLength(backup.bytes);
	});
});

test('a backup from before BACKUP_MAC_KEY passes only if it started before the end of what signed it', async () => {
	const { files, startedAt } = await makeBackup();
	const changed = { BACKUP_MAC_KEY: 'x'.repeat(32) };
	const verify = (changes: Partial<Environment>) => prove(files[0] ?? '', 'verify', changes);
	await expectError(await verify(changed), 422, 'manifest_forged');
	const downgrade = { ...changed, TOTP_SECRET_PREVIOUS: SECRET };
	await expectError(await verify(downgrade), 422, 'manifest_forged');
	const until = (time: string) => ({
		...{ ...changed, BACKUP_MAC_KEY_PREVIOUS: SECRET, BACKUP_MAC_KEY_PREVIOUS_UNTIL: time },
	});
	await expectError(await verify(until(startedAt)), 422, 'manifest_forged');
	const later = new Date(Date.parse(startedAt) + 1).toISOString();
	expect((await verify(until(later))).status).toBe(200);
});

test('a backup from before a rotation of TOTP_SECRET passes while the previous one is set', async () => {
	const { files } = await makeBackup();
	const changed = { TOTP_SECRET: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' };
	const verify = (changes: Partial<Environment>) => prove(files[0] ?? '', 'verify', changes);
	// The codes are those of the previous secret, which the call may make all the same.
	expect((await verify({ ...changed, TOTP_SECRET_PREVIOUS: SECRET })).status).toBe(200);
});
