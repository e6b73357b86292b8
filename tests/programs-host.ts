// The process that runs programs for ./programs.ts, and ends with the one that started it.
import { execFile } from 'node:child_process';
import type { Ran, Run } from './programs.ts';

const MAX_OUTPUT = 512 * 1024 * 1024;

process.once('disconnect', () => process.exit());
process.on('message', ({ id, program, args, input }: Run) => {
	const options = { encoding: 'buffer', maxBuffer: MAX_OUTPUT } as const;
	const child = execFile(program, args, options, (failure, stdout, stderr) => {
		const ran: Ran = { id, stdout, stderr: stderr.toString(), error: failure?.message ?? null };
		process.send?.(ran);
	});
	// It stops reading at the first error and reports that error itself.
	child.stdin?.on('error', () => undefined).end(input);
});
