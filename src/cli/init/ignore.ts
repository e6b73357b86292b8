import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';
import { childEnvironment } from '../terminal/environment.ts';

/** Files that the commands write into the current folder, each with the pattern that git needs for it. */
const WRITTEN = {
	'full_backup_2026-11-22T21:52:00.000Z.sql.gz': 'full_backup_*',
	'incremental_backup_2026-11-22T21:52:00.000Z.sql.gz': 'incremental_backup_*',
	'before-restore-2026-11-22T21:52:00.000Z.sql': 'before-restore-*',
	'app.agekey': '*.agekey',
};

/**
 * The text of an app's .gitignore with the file of its secrets, and what the commands write; the same text
 * if git ignores all of it. Throws `secrets_tracked` (409) if git has that file already.
 */
export function withIgnored(folder: string, secrets: string): string {
	if (git(folder, ['ls-files', '--error-unmatch', '--', secrets]) === 0) throw tracked(secrets);
	const path = join(folder, '.gitignore');
	const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
	const eol = text.includes('\r\n') ? '\r\n' : '\n';
	const listed = text.split(/\r?\n/).map((line) => line.trim());
	const lines = Object.entries({ [secrets]: secrets, ...WRITTEN }).flatMap(([name, pattern]) => {
		if (listed.includes(pattern) || isIgnored(folder, name)) return [];
		return [pattern];
	});
	if (lines.length === 0) return text;
	const start = text === '' ? [] : text.endsWith('\n') ? [''] : ['', ''];
	return `${text}${[...start, '# Lifeboat: secrets and dumps', ...lines, ''].join(eol)}`;
}

/** Whether the repository itself ignores a file; somebody's own settings do not count. */
function isIgnored(folder: string, name: string): boolean {
	return git(folder, ['check-ignore', '--quiet', '--', name]) === 0;
}

/** The exit code; null without git. */
function git(cwd: string, words: string[]): number | null {
	const env = childEnvironment();
	return spawnSync('git', ['-c', 'core.excludesFile=', ...words], { cwd, env }).status;
}

function tracked(file: string): LifeboatError {
	return new LifeboatError(`git tracks ${file}, so the secrets in it would be committed.`, {
		code: 'secrets_tracked',
		status: 409,
		hint: `Let git forget it with \`git rm --cached ${file}\`, replace every secret that it has held, and run this again. Nothing was changed.`,
	});
}
