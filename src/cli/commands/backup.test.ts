import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

// backup.yml runs these programs without installing a package.

let checkout: string;

beforeAll(() => {
	checkout = mkdtempSync(join(tmpdir(), 'lifeboat-checkout-'));
	cpSync('src', join(checkout, 'src'), { recursive: true });
	cpSync('package.json', join(checkout, 'package.json'));
});
afterAll(() => rmSync(checkout, { recursive: true }));

test.for([
	['src/cli/commands/backup.ts', 'Backup failed: The address of the app is not set.'],
	['src/cli/backup.js', 'Backup failed: The address of the app is not set.'],
	['src/cli/workflow/check-settings.ts', 'Backups are not set up: The secret TOTP_SECRET'],
] as const)('%s runs without node_modules', ([program, message]) => {
	const { status, stderr } = spawnSync(process.execPath, [program], {
		cwd: checkout,
		env: {},
		encoding: 'utf8',
	});
	expect(stderr).toMatch(new RegExp(`^${message}`));
	expect(status).toBe(1);
});
