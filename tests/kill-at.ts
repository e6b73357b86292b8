// Kills a program that restores at its `KILL_AT`th step, before that step is done: a call of SQLite,
// or of the file system where files take their places. Loaded with --import. A program that ends by
// itself says on standard error how many steps it took.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

const killAt = Number(process.env['KILL_AT']);
let steps = 0;

/** The same function, as a step. */
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
