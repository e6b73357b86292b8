#!/usr/bin/env node
// `npx lifeboat <command>`. Old versions of Node must be able to read this file, to say that they are too
// old: it imports nothing before that, and its syntax is that of ES2015.

/** The first minor of Node 24 whose node:sqlite has setAuthorizer(), which guards a restore. */
const MINOR = 10;
/** Needs Node 20 only. */
const TOTP = '../../../genTotp.js';

const [major, minor] = process.versions.node.split('.').map(Number);
const isOld = Number(major) < 24 || (Number(major) === 24 && Number(minor) < MINOR);

if (process.argv[2] === 'totp') {
	process.argv.splice(2, 1);
	import(TOTP);
} else if (isOld) {
	console.error(
		`Lifeboat's commands need Node 24.${MINOR} or newer; this is ${process.version}. ` +
			'Install a newer one from https://nodejs.org, then try again.',
	);
	process.exitCode = 2;
} else {
	import('./run.ts');
}
