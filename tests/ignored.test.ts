import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { makeIdentity } from '../src/cli/secrets/identity.ts';
import { keptName } from '../src/cli/targets/keep.ts';
import { SqliteFile, workingCopyOf } from '../src/cli/targets/sqlite.ts';
import {
	type EncodingName,
	KINDS,
	manifestKey,
	volumeKey,
} from '../src/lib/server/backup/format/names.ts';

// Git ignores what the commands write: a dump in a repository is a dump for everybody who can read it.

const ENCODINGS: EncodingName[][] = [
	...[[], ['gzip'], ['zstd'], ['age']],
	...[
		['gzip', 'age'],
		['zstd', 'age'],
	],
] as EncodingName[][];

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-ignored-'));
const git = (cwd: string, ...words: string[]) =>
	execFileSync('git', ['-c', 'core.excludesFile=', ...words], { cwd, encoding: 'utf8' });

beforeAll(() => {
	git(folder, 'init', '--quiet');
	copyFileSync('.gitignore', join(folder, '.gitignore'));
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

/** The names that git does not ignore. */
function committed(names: string[]): string[] {
	const ignored = git(folder, 'check-ignore', '--', ...names, '.gitignore', 'node_modules/');
	return names.filter((name) => !ignored.split('\n').includes(name));
}

test('backups and manifests, as the app names them and as browsers save them', () => {
	const names = KINDS.flatMap((kind) => {
		const name = `${kind}_backup_2026-11-22T21:52:00.000Z`;
		const volumes = ENCODINGS.flatMap((encodings) =>
			[1, 2].map((number) => volumeKey(name, number, encodings)),
		);
		return [...volumes, manifestKey(name)];
	});
	const saved = names.map((name) => name.replaceAll(':', '-'));
	const moved = [...names, ...saved].map((name) => `data/${name}`);
	expect(committed([...names, ...saved, ...moved])).toEqual([]);
});

test('what a restore keeps, builds and makes', async () => {
	const recipient = await makeIdentity(join(folder, 'own.agekey'), false);
	const names: string[] = [];
	for (const recipients of [[], [recipient]]) {
		vi.stubEnv('BACKUP_AGE_RECIPIENTS', recipients.join());
		names.push(keptName(recipients));
		for (const ending of ['db', 'sqlite', 'sqlite3']) {
			const path = `restored.${ending}`;
			const made = [path, workingCopyOf(path), basename((await new SqliteFile(path).keep()).file)];
			for (const side of ['', '-wal', '-shm', '-journal']) {
				names.push(...made.map((name) => name + side));
			}
		}
	}
	expect(committed([...names, ...names.map((name) => `data/${name}`)])).toEqual([]);
});

test('files that the documentation has people make', () => {
	const names = ['backup.sql', 'export.sql', 'backup.sql.gz', 'backup.sql.zst', 'backup.sql.age'];
	expect(committed([...names, '.wrangler/state/v3/d1/x.sqlite', 'own.agekey'])).toEqual([]);
});

test('and nothing that is committed', () => {
	expect(committed(['src/app.html', 'migrations/0001_users.sql', 'README.md'])).toHaveLength(3);
	if (existsSync('.git')) expect(git('.', 'ls-files', '-ci', '--exclude-standard')).toBe('');
});
