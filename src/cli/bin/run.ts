// Runs a command of the package by its name; ./lifeboat.js starts this. Imports no package: a workflow
// makes backups with nothing installed but Lifeboat's own files.
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { print, printAside } from '../terminal/print.ts';
import { programBeside } from '../terminal/run.ts';

const HELP = `Usage: lifeboat <command> [options]

Commands
  init     add backups to the app in this folder
  deploy   take the app to a proven backup on Cloudflare
  setup    make the secrets that the app needs, or replace them
  secrets  print the secrets for Cloudflare or GitHub
  backup   make a backup of the app at BACKUP_URL
  restore  restore a backup into a database or a file
  drill    prove that a backup can be restored
  copy     copy backups to a folder or to S3
  prune    show which backups the retention policy keeps, and do it
  pin      keep a backup whatever the policy says
  delete   mark a backup for removal
  check    tell what every object in the bucket is
  unlock   lift the lockout of six-digit codes
  journal  show the app's audit log
  doctor   check whether backups can rely on a database
  totp     print the current code

lifeboat <command> --help explains a command.
`;

const [, , name = ''] = process.argv;
if (name === '--help' || name === '-h') print(HELP.split('\n'));
else await run(name);

/** The command finds its own arguments where it would if it had been started by itself. */
async function run(command: string): Promise<void> {
	const file = programBeside(import.meta.url, `../commands/${command}`);
	if (!/^[a-z]+$/.test(command) || !existsSync(file)) {
		printAside(
			command === ''
				? HELP.split('\n')
				: [`There is no command ${command}; lifeboat --help lists them.`],
		);
		process.exitCode = 2;
		return;
	}
	process.argv.splice(1, 2, file);
	await import(pathToFileURL(file).href);
}
