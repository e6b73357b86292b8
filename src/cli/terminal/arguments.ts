import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { LifeboatError } from '../../lib/server/errors.ts';

/** The options and words of a command line. Throws `usage` (400). */
export function parseArguments<T extends ParseArgsOptionsConfig>(command: string, options: T) {
	try {
		return parseArgs({ options, allowPositionals: true });
	} catch (error) {
		throw usageError(command, error instanceof Error ? error.message : String(error));
	}
}

/** `usage` (400): the command line is not valid. */
export function usageError(command: string, message: string): LifeboatError {
	return new LifeboatError(message, {
		code: 'usage',
		status: 400,
		hint: `\`npm run ${command} -- --help\` explains; options follow the \`--\`.`,
	});
}
