import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CopiedApp, flipped, linesIn, resultsIn, volumeOf } from '../../../tests/copies.ts';
import { counted } from '../../../tests/counts.ts';
import { operate, sqlite3 } from '../../../tests/operator.ts';
import { BUCKET, S3, S3_SETTINGS } from '../../../tests/s3.ts';
import { manifestKey, sliceListKey } from '../../lib/server/backup/format/names.ts';

// Copies of a real app's backups, in a folder and in a storage that speaks S3.

const copies = new CopiedApp();

/** How often files of backups were fetched so far. */
async function fetches(): Promise<number> {
	const { entries } = await copies.api.journal(500, null);
	return entries.filter(({ operation }) => operation === 'fetch').length;
}

test('copies every backup with its proofs, and a restore reads the folder', async () => {
	const { code, stdout } = await copies.command('copy', '--to', copies.folder);
	expect(code).toBe(0);
	expect(stdout).toContain(`${copies.folder} has 3 of 3 backups, 3 of them new.`);
	expect(stdout.match(/ {2}contents {2}copied$/gm)).toHaveLength(3);
	const files = [...copies.contents().keys()];
	expect(files.filter((file) => file.includes('.proof-'))).toEqual([
		expect.stringMatching(`^${copies.names[1].replace('.', '\\.')}\\.proof-.*\\.json$`),
	]);
	expect(files).toHaveLength(3 * 3 + 1);
	expect(files).toEqual(
		expect.arrayContaining(copies.names.flatMap((name) => [manifestKey(name), volumeOf(name)])),
	);
	expect(files).toEqual(expect.arrayContaining(copies.names.map((name) => sliceListKey(name))));
	expect(statSync(copies.folder).mode & 0o777).toBe(0o700);
	for (const file of files) expect(statSync(join(copies.folder, file)).mode & 0o777).toBe(0o600);
	expect(readdirSync(copies.folder)).toEqual(files); // nothing else is left

	const restored = join(copies.project, 'restored.db');
	const manifest = join(copies.folder, manifestKey(copies.names[1]));
	const env = { ...copies.env, BACKUP_URL: '' }; // the app is gone
	const ended = await operate(copies.project, 'restore', [manifest, '--to', restored], { env });
	expect(ended).toMatchObject({ code: 0 });
	expect(sqlite3(restored, 'SELECT count(*) > 0 FROM d1_migrations')).toBe('1');
	rmSync(restored);
});

test('a second run fetches and changes nothing', async () => {
	await copies.copy();
	const before = copies.contents();
	const fetched = await fetches();
	expect(await copies.copy()).toEqual({ code: 0, results: copies.all('there') });
	expect(await copies.copy('--check')).toEqual({ code: 0, results: copies.all('there') });
	expect(copies.contents()).toEqual(before);
	expect(await fetches()).toBe(fetched);
});

test('--newest copies only so many with what they rest on, and leaves the others', async () => {
	const [full, newest, older] = copies.names;
	const all = (...results: string[]) => [full, newest, older].map((name, i) => [name, results[i]]);
	expect(await copies.copy('--newest', '1')).toEqual({
		code: 0,
		results: all('copied', 'copied').slice(0, 2),
	});
	expect(await copies.copy('--newest', '2')).toEqual({
		code: 0,
		results: all('there', 'there', 'copied'),
	});
	expect(await copies.copy('--newest', '1')).toEqual({
		code: 0,
		results: all('there', 'there', 'there'),
	});
});

test('a file that is missing is fetched again', async () => {
	await copies.copy();
	const before = copies.contents();
	for (const file of [volumeOf(copies.names[0]), manifestKey(copies.names[1])]) {
		rmSync(join(copies.folder, file));
	}
	expect(await copies.copy()).toMatchObject({ code: 0 });
	expect(copies.contents()).toEqual(before);
});

test('a killed copy never shows as complete, and the next run completes it', async () => {
	const args = ['--to', copies.folder];
	const { env } = copies;
	const whole = await operate(copies.project, 'copy', args, { env, killAt: 0 });
	expect(whole.code).toBe(0);
	const complete = copies.contents();
	const [, total = 0] = /(\d+) steps$/.exec(whole.stderr.trim())?.map(Number) ?? [];
	expect(total).toBeGreaterThan(20);
	const kills = Math.min(Math.max(counted(total), 4), total);
	for (let kill = 1; kill <= kills; kill++) {
		rmSync(copies.folder, { recursive: true });
		const killAt = Math.ceil((kill * total) / kills);
		const killed = await operate(copies.project, 'copy', args, { env, killAt });
		expect([killAt, killed.code]).toEqual([killAt, null]);
		const left = copies.contents();
		for (const [file, text] of left) expect([file, text]).toEqual([file, complete.get(file)]);
		const shown = copies.names.filter((name) => left.has(manifestKey(name)));
		expect(shown.filter((name) => !left.has(volumeOf(name)))).toEqual([]);
		if (shown.length > 0) expect(shown[0]).toBe(copies.names[0]); // on which the others rest
		expect([killAt, (await copies.copy()).code]).toEqual([killAt, 0]);
		expect(copies.contents()).toEqual(complete);
		expect(readdirSync(copies.folder).filter((name) => name.startsWith('lifeboat-'))).toEqual([]);
	}
}, 3_600_000);

describe('to S3', () => {
	const run = (s3: S3, ...args: string[]) =>
		operate(copies.project, 'copy', ['--to', `s3://${BUCKET}/app`, '--endpoint', s3.url, ...args], {
			env: { ...copies.env, ...S3_SETTINGS },
		});

	test('every backup is copied once, with the bytes of the app', async () => {
		await copies.copy();
		await using s3 = await new S3().start();
		const { code, stdout } = await run(s3, '--json');
		expect([code, resultsIn(stdout)]).toEqual([0, copies.all('copied')]);
		const objects = [...s3.objects].map(([key, bytes]) => [key, bytes.toString('latin1')]);
		const files = [...copies.contents()].map(([name, bytes]) => [`app/${name}`, bytes]);
		expect(objects.sort()).toEqual(files.sort());
		for (const name of copies.names) {
			const puts = s3.requests.filter((request) =>
				request.startsWith(`PUT /${BUCKET}/app/${name}`),
			);
			expect(puts.at(-1)).toBe(`PUT /${BUCKET}/app/${manifestKey(name)}`);
		}

		s3.requests.length = 0;
		expect(resultsIn((await run(s3, '--json')).stdout)).toEqual(copies.all('there'));
		expect(s3.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
		const volumes = s3.requests.filter((request) => /^GET [^?]*\.sql\.gz$/.test(request));
		expect(volumes).toEqual([]);
	});

	test('an object that differs is named, and left', async () => {
		await using s3 = await new S3().start();
		await run(s3);
		const key = `app/${volumeOf(copies.names[2])}`;
		const changed = flipped(s3.objects.get(key) ?? Buffer.alloc(0));
		s3.objects.set(key, changed);
		const { code, stdout } = await run(s3, '--json', '--check');
		expect([code, linesIn(stdout)[2]]).toMatchObject([
			1,
			{ result: 'differs', backup: copies.names[2] },
		]);
		expect(linesIn(stdout)[2]?.details.join()).toContain(volumeOf(copies.names[2]));
		expect(s3.objects.get(key)).toBe(changed);
	});

	test('without its credentials nothing is called', async () => {
		const args = ['--to', 's3://copies', '--json'];
		const env = { ...copies.env, AWS_ACCESS_KEY_ID: '' };
		const { code, stdout } = await operate(copies.project, 'copy', args, { env });
		expect([code, JSON.parse(stdout)]).toMatchObject([2, { code: 's3_key_missing' }]);
	});
});

test.for([
	[[], 'usage'],
	[['--to', 'x', '--newest', '0'], 'usage'],
	[['--to', 'x', 'latest'], 'usage'],
	[['--to', 'x', '--from', ''], 'app_url_missing'],
] as const)('%j is refused', async ([args, code]) => {
	const ended = await copies.command('copy', '--json', ...args);
	expect([ended.code, JSON.parse(ended.stdout)]).toMatchObject([2, { code }]);
});
