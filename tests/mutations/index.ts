import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { formatTable } from '../../src/cli/terminal/text.ts';
import type { Mutation } from './mutation.ts';
import { MUTATIONS } from './mutations.ts';

const HELP = `Usage: npm run mutations [-- WORD]

Plants one fault after another into a copy of the project and runs the tests that should notice it,
with their default counts. Prints which test caught each fault; exit code 1 when one was missed.

  WORD  only faults whose title has this word
`;

/** Within the project, so that its packages are found; git ignores it. */
const COPY = 'test-results/mutations';
const COPIED = ['src', 'tests', 'migrations', 'package.json', 'tsconfig.json', '.env.example'];
const CONFIGS = ['vitest.config.ts', 'vite.config.ts', 'svelte.config.js', '.svelte-kit'];

async function main(word = ''): Promise<void> {
	if (word === '--help') return console.log(HELP);
	const chosen = MUTATIONS.filter(({ title }) => title.includes(word));
	rmSync(COPY, { recursive: true, force: true });
	mkdirSync(COPY, { recursive: true });
	for (const name of [...COPIED, ...CONFIGS]) cpSync(name, join(COPY, name), { recursive: true });
	const rows: string[][] = [];
	for (const mutation of chosen) {
		const caught = await catchOne(mutation);
		rows.push([mutation.title, caught ?? 'MISSED']);
		console.error(`${caught === null ? 'missed' : 'caught'}: ${mutation.title}`);
	}
	console.log(formatTable(['fault', 'caught by'], rows).join('\n'));
	const missed = rows.filter(([, by]) => by === 'MISSED').length;
	console.log(`\n${rows.length - missed} of ${rows.length} faults were caught.`);
	process.exitCode = missed === 0 ? 0 : 1;
}

/** The title of the first test that fails with the fault; null where none does. */
async function catchOne(mutation: Mutation): Promise<string | null> {
	const path = join(COPY, mutation.file);
	const right = readFileSync(path, 'utf8');
	writeFileSync(path, planted(mutation, right));
	try {
		return await firstFailure(mutation.tests);
	} finally {
		writeFileSync(path, right);
	}
}

function planted({ file, right, wrong }: Mutation, text: string): string {
	if (text.split(right).length !== 2) throw new Error(`${file} has not exactly one: ${right}`);
	return text.replace(right, () => wrong);
}

async function firstFailure(tests: string[]): Promise<string | null> {
	const args = ['run', '--bail=1', '--reporter=json', '--outputFile=report.json', ...tests];
	const child = spawn('vitest', args, { cwd: COPY, stdio: ['ignore', 'ignore', 'pipe'] });
	const [errors, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
	if (status === 0) return null;
	const { testResults } = JSON.parse(readFileSync(join(COPY, 'report.json'), 'utf8')) as Report;
	const failed = testResults.flatMap(({ assertionResults }) => assertionResults);
	const first = failed.find((result) => result.status === 'failed');
	if (first) return first.fullName.trim() + (isTimeout(first) ? ' (timed out)' : '');
	throw new Error(`The tests did not run:\n${errors}`);
}

interface Result {
	fullName: string;
	status: string;
	failureMessages: string[];
}

interface Report {
	testResults: { assertionResults: Result[] }[];
}

/** Whether a test only took too long, which on a busy machine says nothing about the fault. */
function isTimeout({ failureMessages }: Result): boolean {
	return failureMessages.some((message) => /timed out in \d+ms/.test(message));
}

await main(process.argv[2]);
