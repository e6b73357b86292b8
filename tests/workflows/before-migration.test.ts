import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Answer, json, listen } from '../stand-in.ts';
import { SECRET } from './backup-run.ts';
import { runJob, runnerPath, type Step } from './runner.ts';
import { refusal, SteppedApp, SUMMARY } from './stepped-app.ts';

// The steps of docs/backup.md that make a backup before a migration, run as a workflow runs them.

const ACCOUNT = { CLOUDFLARE_ACCOUNT_ID: 'the account', CLOUDFLARE_API_TOKEN: 'the token' };
const steps = stepsIn(readFileSync('docs/backup.md', 'utf8'));

/** A folder with a stand-in for npx, which notes what it gets. */
let tools: string;
beforeEach(() => {
	tools = mkdtempSync(join(tmpdir(), 'lifeboat-npx-'));
	const note = `echo "$* as $CLOUDFLARE_ACCOUNT_ID with $CLOUDFLARE_API_TOKEN" >> '${tools}/calls'`;
	writeFileSync(join(tools, 'npx'), `#!/bin/sh\n${note}\n`, { mode: 0o755 });
	return () => rmSync(tools, { recursive: true });
});

function stepsIn(page: string): Step[] {
	const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block);
	const found = blocks.filter((block) => block.includes('migrations apply'));
	expect(found).toHaveLength(1);
	return parse(found[0] ?? '') as Step[];
}

async function run(answer: Answer) {
	await using app = await listen(answer);
	const context = {
		vars: { BACKUP_URL: app.url },
		secrets: { TOTP_SECRET: SECRET, ...ACCOUNT },
		env: { PATH: tools + delimiter + runnerPath(), HOME: tools },
	};
	const { exitCode, output } = await runJob({ steps }, context);
	const calls = join(tools, 'calls');
	return { exitCode, output, migrated: existsSync(calls) ? readFileSync(calls, 'utf8') : null };
}

test('a backup is made, in all its steps, and then the migrations are applied', async () => {
	const app = new SteppedApp(3);
	const { exitCode, output, migrated } = await run(app.answer);
	expect({ exitCode, done: app.done }).toEqual({ exitCode: 0, done: [1, 2, 3] });
	expect(output).toContain(SUMMARY.name);
	expect(migrated).toBe('wrangler d1 migrations apply DB --remote as the account with the token\n');
});

test.for<[string, Answer]>([
	['is refused', json(403, refusal('preview_refused'))],
	['fails', json(409, refusal('snapshot_unstable'))],
	[
		'fails in its second step',
		new SteppedApp(3, { 2: { answer: json(403, refusal('ticket_invalid')) } }).answer,
	],
	['answers without a backup', json(200, { success: true })],
])('nothing is migrated if the backup %s', async ([, answer]) => {
	const { exitCode, migrated } = await run(answer);
	expect(exitCode).toBeGreaterThan(0);
	expect(migrated).toBeNull();
});
