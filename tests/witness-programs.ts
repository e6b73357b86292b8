import { spawnSync } from 'node:child_process';

/** The independent programs that tests compare with; each is a Debian package of the same name. */
const PROGRAMS = ['age', 'curl', 'gzip', 'oathtool', 'openssl', 'sqlite3', 'zstd'];

const INSTALL_TIMEOUT_MS = 10 * 60_000;

function missing(): string[] {
	return PROGRAMS.filter((name) => spawnSync(name, ['--version']).error !== undefined);
}

/** Installs Debian packages if that needs no interaction. */
function install(packages: string[]): void {
	const sudo = process.getuid?.() === 0 ? '' : 'sudo -n ';
	const command = `${sudo}apt-get update && ${sudo}apt-get install -y ${packages.join(' ')}`;
	console.error(`Missing: ${packages.join(', ')}; trying: ${command}`);
	spawnSync(command, { shell: true, stdio: ['ignore', 2, 2], timeout: INSTALL_TIMEOUT_MS });
}

function main(): void {
	const wanted = missing();
	if (wanted.length > 0) install(wanted);
	const left = missing();
	if (left.length === 0) return;
	console.error(
		`The tests need ${left.join(', ')} and could not install them: install them and try again.`,
	);
	process.exitCode = 1;
}

main();
