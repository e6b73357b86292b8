import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BackupApi } from '../../src/cli/client/api.ts';
import { freePort } from '../../src/cli/embedded/server.ts';
import { makeIdentity } from '../../src/cli/secrets/identity.ts';
import type { BackupSummary, ListedBackup } from '../../src/lib/server/backup/format/manifest.ts';
import { TOTP } from '../../src/lib/totp.js';
import { App } from '../app/app.ts';
import { fileOfObject, forgetCodes } from '../app/bucket.ts';
import { operate, runLocally } from '../operator.ts';
import { OTHER_SECRET, SECRET } from './backup-run.ts';
import { plainCells, runDrill, textsIn } from './drill-run.ts';

describe('drilling the backups of a real app', () => {
	/** Of the app's tables without texts. */
	const WARNINGS = ['search', 'words'].map((table) =>
		expect.stringContaining(`"${table}" has trigrams`),
	);
	let app: App;
	/** The file of the identity that opens the backups, and GitHub's secrets. */
	let identity: string;
	let secrets: Record<string, string>;
	/** The other two rest on it. */
	let full: BackupSummary;
	let damaged: BackupSummary;
	let newest: BackupSummary;

	beforeAll(async () => {
		app = new App();
		identity = join(app.folder, 'own.agekey');
		const recipient = await makeIdentity(identity, false);
		secrets = { TOTP_SECRET: SECRET, AGE_IDENTITY: readFileSync(identity, 'utf8') };
		const index = `fts5 (x, content='', tokenize=trigram, detail=none)`;
		for (const table of ['search', 'words']) {
			runLocally(app.folder, `CREATE VIRTUAL TABLE "${table}" USING ${index}`);
		}
		await app.start({ TOTP_SECRET: SECRET, BACKUP_AGE_RECIPIENTS: recipient });
		full = await makeBackup();
		damaged = await makeBackup();
		newest = await makeBackup();
		expect([damaged.parent, newest.parent]).toEqual([full.name, full.name]);
		damage(damaged);
	});
	beforeEach(() => forgetCodes(app.folder));
	afterAll(() => app?.stop());

	async function readProof(name: string): Promise<unknown> {
		const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000);
		const headers = { Authorization: `Bearer ${code}` };
		return (await fetch(`${app.url}/api/backup/${name}`, { headers })).json();
	}

	function api(): BackupApi {
		return new BackupApi(app.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
	}

	async function makeBackup(): Promise<BackupSummary> {
		forgetCodes(app.folder);
		return api().create();
	}

	/** The backup as listed now. */
	async function listed({ name }: BackupSummary): Promise<ListedBackup | undefined> {
		return (await api().list()).find((backup) => backup.name === name);
	}

	/** Changes one byte of the stored file, and not its size. */
	function damage({ files: [key = ''] }: BackupSummary): void {
		const file = fileOfObject(app.folder, key);
		const bytes = new Uint8Array(readFileSync(file));
		const middle = bytes.length >> 1;
		writeFileSync(file, bytes.with(middle, (bytes[middle] ?? 0) ^ 1));
	}

	test('the newest backup is proven, shown in the summary, and its proof recorded', async () => {
		expect(await listed(newest)).toMatchObject({ drilled: null });
		const run = await runDrill(app.url, { secrets });
		expect(run).toMatchObject({ exitCode: 0, errors: [] });
		expect(run.commands).toEqual([`::notice title=Backup proven::${newest.name}`, ...WARNINGS]);
		expect(run.output + run.summary).not.toContain('AGE-SECRET-KEY');
		expect(textsIn(run.summary, 'Warning')).toEqual(WARNINGS);
		expect(plainCells(run.summary)).toMatchObject({
			Backup: newest.name,
			Made: newest.startedAt,
			Proven: 'yes, with 2 warnings',
			Tables: newest.tables.toLocaleString('en'),
			Rows: newest.rows.toLocaleString('en'),
			Size: expect.stringContaining(`(${newest.sqlBytes.toLocaleString('en')} bytes)`),
			'Time taken': expect.stringMatching(/^\d+\.\d s$/),
		});
		expect(newest.tables).toBeGreaterThan(1);
		const { drilled } = (await listed(newest)) ?? {};
		expect(drilled).toMatchObject({ proven: true });
		const proof = await readProof(`${newest.name}.proof-${drilled?.at}.json`);
		expect(proof).toMatchObject({ kind: 'drill', by: 'GitHub Actions' });
	});

	test('a proven backup is not drilled again after the Backup workflow', async () => {
		const before = (await listed(newest))?.drilled;
		const run = await runDrill(app.url, { github: { event_name: 'workflow_run' } });
		expect(run).toMatchObject({ exitCode: 0, errors: [] });
		const told = `${newest.name} was proven on ${before?.at}`;
		expect(run.commands).toEqual([`::notice title=Nothing new to drill::${told}`]);
		expect(plainCells(run.summary)).toEqual({
			Drill: '',
			Backup: newest.name,
			Made: newest.startedAt,
			Proven: `yes, on ${before?.at}, with 2 warnings`,
			Warning: WARNINGS[1], // the last one
		});
		expect((await listed(newest))?.drilled).toEqual(before);
	});

	test('the report for people ends with the warnings', async () => {
		const env = { TOTP_SECRET: SECRET, AGE_IDENTITY_FILE: identity };
		const args = [newest.name, '--from', app.url];
		const { code, stdout } = await operate(tmpdir(), 'drill', args, { env });
		expect(code).toBe(0);
		expect(stdout).toContain(`\nProven, with 2 warnings: ${newest.name} restores. `);
		expect(stdout).toMatch(
			/: same\.\nWarning: The full-text table "search" has trigrams without their places.+\nWarning: .+"words".+\n$/,
		);
	});

	test('a damaged backup fails the run with its differences, and the failure is recorded', async () => {
		const run = await runDrill(app.url, { secrets, inputs: { backup: damaged.name } });
		expect(run.exitCode).not.toBe(0);
		const differences = textsIn(run.summary, 'Difference');
		expect(differences).toEqual([expect.stringContaining(damaged.files[0] ?? '')]);
		expect(run.errors).toEqual([[damaged.name, ...differences].join('\n')]);
		expect(plainCells(run.summary)).toMatchObject({ Backup: damaged.name, Proven: 'no' });
		expect(await listed(damaged)).toMatchObject({ drilled: { proven: false } });
	});

	test.for(['full_backup_2020-01-01T00:00:00.000Z', '--help', '$(touch drilled)'])(
		'the unknown backup %s fails the run',
		async (name) => {
			const run = await runDrill(app.url, { inputs: { backup: name } });
			expect(run.exitCode).not.toBe(0);
			expect(run.errors).toHaveLength(1);
			expect(plainCells(run.summary)).toMatchObject({ Backup: name, Problem: run.errors[0] });
		},
	);

	test("a wrong secret fails the run with the app's error", async () => {
		const run = await runDrill(app.url, { secrets: { TOTP_SECRET: OTHER_SECRET } });
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('(code_invalid)')]);
	});

	test('an encrypted backup needs the identity, and the error without it says what to do', async () => {
		const without = await runDrill(app.url);
		expect(without.exitCode).not.toBe(0);
		expect(without.errors).toEqual([expect.stringContaining('AGE_IDENTITY --env lifeboat < FILE')]);
		expect(without.errors).toEqual([expect.stringContaining('drill at home')]);
	});

	test('an app that is down fails the run', async () => {
		const url = `http://127.0.0.1:${await freePort()}`;
		const run = await runDrill(url);
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([expect.stringContaining('reached')]);
		expect(plainCells(run.summary)).toMatchObject({
			Backup: 'latest',
			Proven: 'no: the drill did not run',
			Problem: run.errors[0],
		});
	});

	test('damage to the full backup on which the newest rests fails the run', async () => {
		damage(full);
		const run = await runDrill(app.url, { secrets });
		expect(run.exitCode).not.toBe(0);
		const differences = textsIn(run.summary, 'Difference');
		expect(differences).toEqual([expect.stringContaining(full.files[0] ?? '')]);
		expect(await listed(newest)).toMatchObject({ drilled: { proven: false } });
	});
});
