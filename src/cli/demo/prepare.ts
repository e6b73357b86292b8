import { migrate } from '../embedded/server.ts';
import { STATE } from '../embedded/state.ts';
import { run } from '../terminal/run.ts';
import { isBuilt } from './build.ts';
import { openDatabase } from './database.ts';
import { loadSample } from './sample.ts';
import type { Steps } from './steps.ts';

/**
 * Makes everything that the app needs before it starts: secrets, a build, sample data. `setup` is the
 * path of the command that makes the secrets.
 */
export async function prepare(steps: Steps, setup: string, signal: AbortSignal): Promise<void> {
	await steps.take(
		'settings',
		'secrets in .env',
		() => run(process.execPath, [setup, '--no-encrypt'], { signal }),
		(output) => output.split('.\n')[0] ?? '',
	);
	await steps.take(
		'build',
		'vite build',
		async () => {
			const built = await isBuilt();
			if (!built) await run('vite', ['build'], { signal });
			return built;
		},
		(built) => (built ? 'nothing to do' : 'done'),
	);
	await steps.take(
		'fill',
		'migrations and sample data',
		async () => {
			await migrate(STATE);
			await using opened = await openDatabase(STATE);
			await loadSample(opened.database);
		},
		() => 'done',
	);
}
