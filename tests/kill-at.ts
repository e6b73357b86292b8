// Kills a restoring program at its `KILL_AT`th step, just before that step: a call of SQLite, or one
// that moves a file into place. Loaded with --import. A program that is not killed prints its number of
// steps to standard error.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

const killAt = Number(process.env['KILL_AT']);
let steps = 0;

/** The same function, counted as a step. */
function step<This, Args extends unknown[], R>(work: (this: This, ...args: Args) => R) {
	return function (this: This, ...args: Args): R {
		if (++steps === killAt) process.kill(process.pid, 'SIGKILL');
		return work.apply(this, args);
	};
}

DatabaseSync.prototype.exec = step(DatabaseSync.prototype.exec);
fs.linkSync = step(fs.linkSync);
fs.renameSync = step(fs.renameSync);
fs.fsyncSync = step(fs.fsyncSync);
syncBuiltinESMExports();
process.on('exit', () => console.error(`${steps} steps`));
