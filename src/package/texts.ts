// The last step of `npm run package`: texts name the commands as an app has them that installed Lifeboat,
// `npx lifeboat drill` instead of `npm run drill --`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DIST = join(import.meta.dirname, '../../dist');
const COMMANDS = readdirSync(join(DIST, 'cli/commands')).map((file) => file.replace('.js', ''));
// In the repository, `npm run check` checks types.
const CALL = new RegExp(
	`npm run (?:--silent )?(${COMMANDS.join('|')})(?::bucket)?\\b( --(?= ))?`,
	'g',
);

for (const file of readdirSync(DIST, { recursive: true, encoding: 'utf8' })) {
	if (!/\.(js|d\.ts)$/.test(file)) continue;
	const path = join(DIST, file);
	writeFileSync(path, readFileSync(path, 'utf8').replaceAll(CALL, 'npx lifeboat $1'));
}
