// The last step of `npm run package`: texts name the commands as an app has them that installed Lifeboat,
// `npx lifeboat drill` instead of `npm run drill --`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DIST = join(import.meta.dirname, '../../dist');
const COMMANDS = readdirSync(join(DIST, 'cli/commands')).map((file) => file.replace('.js', ''));
// Errors of usage name the command that runs.
const NAMES = [...COMMANDS, String.raw`\$\{command\}`].join('|');
const CALL = new RegExp(String.raw`npm run (?:--silent )?(${NAMES})(?!\w)( --(?= ))?`, 'g');

/** The text of a module, as it is in the package. */
function textOf(text: string): string {
	return text
		.replaceAll('check:bucket', 'check') // in the repository, `npm run check` checks types
		.replaceAll(CALL, 'npx lifeboat $1')
		.replaceAll('; options follow the \\`--\\`', '');
}

for (const file of readdirSync(DIST, { recursive: true, encoding: 'utf8' })) {
	if (!/\.(js|d\.ts)$/.test(file)) continue;
	const path = join(DIST, file);
	writeFileSync(path, textOf(readFileSync(path, 'utf8')));
}
