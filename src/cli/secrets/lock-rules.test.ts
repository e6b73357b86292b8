import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockRules } from './lock-rules.ts';

const before = process.cwd();
beforeEach(() => process.chdir(mkdtempSync(join(tmpdir(), 'lifeboat-locks-'))));
afterEach(() => {
	const folder = process.cwd();
	process.chdir(before);
	rmSync(folder, { recursive: true });
});

test('hold a full backup for as long as the last differential that rests on it', () => {
	expect(lockRules('main', true)).toEqual([
		{ name: 'keep-backups', prefix: 'full_backup_', days: 97 },
		{ name: 'keep-differentials', prefix: 'incremental_backup_', days: 90 },
	]);
	writeFileSync('.env', 'BACKUP_FULL_DAYS=30\n');
	expect(lockRules('main', true).map(({ days }) => days)).toEqual([120, 90]);
	writeFileSync('.env', 'BACKUP_FULL_DAYS=soon\n');
	expect(() => lockRules('main', true)).toThrow(
		expect.objectContaining({ code: 'backup_full_days_invalid' }),
	);
});

test('have the prefix of a further database', () => {
	expect(lockRules('stats', false)).toMatchObject([
		{ name: 'keep-backups-stats', prefix: 'stats/full_backup_' },
		{ name: 'keep-differentials-stats', prefix: 'stats/incremental_backup_' },
	]);
});
