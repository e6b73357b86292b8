import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

const SHOWN = 10;

/** A reporter that ends a run with the slowest test files, counting the time to load them. */
export default class Slowest implements Reporter {
	onTestRunEnd(modules: readonly TestModule[]): void {
		const files = modules
			.map((module) => ({ path: relative('', module.moduleId), ms: duration(module) }))
			.sort((a, b) => b.ms - a.ms);
		if (files.length < 2) return;
		console.log('Slowest test files:');
		for (const { path, ms } of files.slice(0, SHOWN)) {
			console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${path}`);
		}
	}
}

function duration(module: TestModule): number {
	const { collectDuration, duration } = module.diagnostic();
	return collectDuration + duration;
}
