// People's own scripts may run `node src/cli/backup.js`, where the command once was. Node runs the index
// of a folder, so this folder keeps that path working. Plain JavaScript: older versions of Node must be
// able to read it.
import process from 'node:process';

if (process.features.typescript) {
	await import('../commands/backup.ts');
} else {
	console.error(
		`The backup command needs Node 24, and this is ${process.version}. In the project, \`npm run backup\` runs it with the right one.`,
	);
	process.exitCode = 1;
}
