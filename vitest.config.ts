import './tests/memory-disk.ts';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { outside } from './tests/outside.ts';
import LongestFirst from './tests/sequencer.ts';
import { witness } from './tests/witness.ts';

// A database of its own for each role a test gives it: the one that is dumped, the one that is
// restored into, the one for drills.
const databases = ['DB', 'COPY', 'DRILL_DB'];

/** Milliseconds by which a test must end, or a hook: long tests take long. */
const patience = (usual: number) => (process.env['LIFEBOAT_LONG'] === '1' ? 4 * usual : usual);

const reporters = ['default', './tests/slowest.ts'];
if (process.env['GITHUB_ACTIONS']) reporters.push('github-actions');

export default defineConfig({
	test: {
		maxWorkers: '100%', // by default a core is left idle: of two, one
		reporters,
		silent: 'passed-only', // what failed tests have printed is enough
		sequence: { sequencer: LongestFirst },
		teardownTimeout: 1_000, // the databases behind WITNESS only end with the process
		projects: [
			{
				// Everything that runs in the Worker, with real D1 and R2.
				plugins: [
					cloudflareTest({
						miniflare: {
							compatibilityDate: '2026-11-01',
							d1Databases: databases,
							r2Buckets: ['MY_BUCKET', 'MY_LOGS_BUCKET'],
							// Set LIFEBOAT_SEED to what a failed property printed to see it fail again.
							bindings: {
								LIFEBOAT_RUNS: process.env['LIFEBOAT_RUNS'] ?? '',
								LIFEBOAT_LONG: process.env['LIFEBOAT_LONG'] ?? '',
								LIFEBOAT_SEED: process.env['LIFEBOAT_SEED'] ?? '',
							},
							// Lets a test inside workerd ask programs outside: sqlite3, wrangler's splitter.
							serviceBindings: { WITNESS: witness },
							// Whatever the app fetches: receivers of alerts, issuers of tokens.
							outboundService: outside,
						},
					}),
				],
				test: {
					name: 'workerd',
					// A new workerd for each file would take a third of the time. Tests reset what they change.
					isolate: false,
					include: [
						'src/lib/**/*.test.ts',
						'src/accounts/**/*.test.ts',
						'src/routes/**/*.test.ts',
						'tests/properties/**/*.test.ts',
					],
					alias: {
						$lib: new URL('src/lib', import.meta.url).pathname,
						$accounts: new URL('src/accounts', import.meta.url).pathname,
					},
					testTimeout: patience(60_000),
					hookTimeout: patience(60_000),
				},
			},
			{
				// Programs for operators and workflows, run as they are run: as processes.
				test: {
					name: 'node',
					globalSetup: 'tests/app/shared.ts',
					include: ['src/cli/**/*.test.ts', 'tests/**/*.test.ts'],
					exclude: ['tests/properties/**'],
					testTimeout: patience(120_000),
					hookTimeout: patience(120_000),
				},
			},
		],
	},
});
