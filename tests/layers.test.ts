import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const RULES = '.dependency-cruiser.js';

/** Imports that break a rule: the importing file, what it imports, and the rule. */
const PLANTED = [
	['lib/server/backup/dump/rows.ts', '../storage/lock.ts', 'backup/dump/ imports from floors'],
	['lib/server/backup/storage/lock.ts', '../make/step.ts', 'backup/storage/ imports from floors'],
	['lib/server/access/code.ts', '../operations/health.ts', 'access/ imports from floors'],
	[
		'lib/server/errors.ts',
		'./http/input.ts',
		'(environment|errors|platform|retry).ts imports from floors',
	],
	['lib/server/backup/make/job.ts', '@sveltejs/kit', 'the library does not know SvelteKit'],
	['lib/totp.js', '$app/environment', 'the library knows neither the app nor the commands'],
	['lib/server/http/route.ts', '../../../accounts/session.ts', 'the library knows neither'],
	['cli/terminal/progress.ts', '../../routes/+page.svelte', 'the commands know the library only'],
	['cli/secrets/dotenv.ts', '../client/api.ts', 'secrets/ imports from floors'],
	['cli/targets/open.ts', '../sources/app.ts', 'targets/ imports from floors'],
	['accounts/session.ts', '../cli/terminal/progress.ts', 'the accounts know the library only'],
	['lib/server/backup/dump/keys.ts', './keys.ts', 'no circles'],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-layers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

cpSync('src', join(folder, 'src'), { recursive: true });
cpSync(RULES, join(folder, RULES));
for (const [file, specifier] of PLANTED) {
	appendFileSync(join(folder, 'src', file), `\nimport '${specifier}';\n`);
}
const { status, stdout } = spawnSync('depcruise', ['--config', RULES, 'src'], {
	cwd: folder,
	encoding: 'utf8',
});

test.for(PLANTED)('%s may not import %s', ([file, , rule]) => {
	const found = stdout.split('\n').filter((line) => line.includes(`: src/${file} → `));
	expect(found).toContainEqual(expect.stringContaining(rule));
	expect(status).toBeGreaterThan(0);
});
