import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The package as npm packs it, installed in an app. */
export interface Installed {
	/** The folder of the app. */
	app: string;
	/** The paths of the packed files. */
	files: string[];
	/** Bytes of the tarball. */
	size: number;
}

interface Packed {
	filename: string;
	size: number;
	files: { path: string }[];
}

/**
 * Builds and packs the package, and installs it in an app with the packages that it depends on and these.
 * Installs without a network: the packages are links to the repository's own.
 */
export function installPackage(others: readonly string[]): Installed {
	const app = mkdtempSync(join(tmpdir(), 'lifeboat-package-'));
	const { filename, size, files } = pack(app);
	const installed = join(app, 'node_modules/lifeboat');
	mkdirSync(installed, { recursive: true });
	execFileSync('tar', ['-xzf', join(app, filename), '-C', installed, '--strip-components=1']);
	const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
		dependencies: Record<string, string>;
	};
	for (const name of [...Object.keys(dependencies), ...others]) link(app, name);
	writeFileSync(join(app, 'package.json'), '{ "type": "module" }');
	return { app, size, files: files.map(({ path }) => path) };
}

/** Builds and packs the package into a folder; returns the path of the tarball. */
export function packTarball(folder: string): string {
	return join(folder, pack(folder).filename);
}

function pack(folder: string): Packed {
	execFileSync('npm', ['run', '--silent', 'package'], { cwd: ROOT, stdio: 'pipe' });
	const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
	const printed: unknown = JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' }));
	const [packed] = Object.values(printed as Record<string, Packed>);
	if (!packed) throw new Error('npm packed nothing.');
	return packed;
}

function link(app: string, name: string): void {
	const path = join(app, 'node_modules', name);
	mkdirSync(dirname(path), { recursive: true });
	symlinkSync(join(ROOT, 'node_modules', name), path);
}

/** The package alone in another folder, without any package that it depends on. */
export function withoutDependencies({ app }: Installed): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-package-'));
	const path = 'node_modules/lifeboat';
	cpSync(join(app, path), join(folder, path), { recursive: true });
	return folder;
}

/** Runs Node in a folder, with no setting of ours in its environment. Both outputs as one text. */
export function runNode(
	cwd: string,
	args: readonly string[],
	node = process.execPath,
): { status: number | null; output: string } {
	const { PATH, NODE_COMPILE_CACHE } = process.env; // an app has none: it only saves time
	const env = { PATH, NODE_COMPILE_CACHE };
	const { status, stdout, stderr } = spawnSync(node, args, { cwd, env, encoding: 'utf8' });
	return { status, output: stdout + stderr };
}

/** Runs the package's command in an app. */
export function runLifeboat(app: string, args: readonly string[], node?: string) {
	return runNode(app, ['node_modules/lifeboat/dist/cli/bin/lifeboat.js', ...args], node);
}
