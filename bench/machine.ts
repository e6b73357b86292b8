import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** What the figures depend on besides the code. */
export interface Machine {
	cpu: string;
	cores: number;
	memoryGigabytes: number;
	node: string;
	workerd: string;
	wrangler: string;
	sqlite3: string;
}

/** Describes this machine. Leaves out its name and paths, because the results are published. */
export function describeMachine(): Machine {
	const [sqlite3 = ''] = String(execFileSync('sqlite3', ['--version'])).split(' ');
	return {
		cpu: cpus()[0]?.model.trim() ?? '',
		cores: cpus().length,
		memoryGigabytes: Math.round(totalmem() / 1e9),
		node: process.versions.node,
		workerd: versionOf('workerd'),
		wrangler: versionOf('wrangler'),
		sqlite3,
	};
}

function versionOf(name: string): string {
	const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
	return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
