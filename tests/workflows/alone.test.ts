import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runnerPath } from './runner.ts';

// The jobs that can call the app install nothing: what they run must start without any package.

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-alone-'));
	cpSync('src', join(folder, 'src'), { recursive: true });
	cpSync('package.json', join(folder, 'package.json'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test.for([
	['commands/backup.ts', 'Backup failed'],
	['workflow/check-settings.ts', 'Backups are not set up'],
	['workflow/fetch-backup.ts', 'Drill failed'],
	['workflow/record-proof.ts', 'Proof not recorded'],
] as const)('%s runs on Node alone', async ([file, told]) => {
	const env = { PATH: runnerPath(), GITHUB_ACTIONS: 'true' };
	const output = await new Promise((resolve) => {
		const args = [join(folder, 'src/cli', file)];
		execFile(process.execPath, args, { cwd: folder, env }, (_, stdout, stderr) =>
			resolve(stdout + stderr),
		);
	});
	expect(output).toContain(`::error title=${told}::`);
	expect(output).not.toContain('ERR_MODULE_NOT_FOUND');
});
