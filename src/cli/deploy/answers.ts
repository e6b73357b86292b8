import { stripVTControlCharacters } from 'node:util';
import { LifeboatError } from '../../lib/server/errors.ts';

/** What a program prints, without colours. */
export function plain(output: string): string {
	return stripVTControlCharacters(output).replaceAll('\r', '');
}

/** A list of objects that a program prints as JSON. Throws `answer_unknown` (500) for anything else. */
export function parseArray(output: string): Record<string, unknown>[] {
	try {
		const value: unknown = JSON.parse(output);
		if (Array.isArray(value)) return value as Record<string, unknown>[];
	} catch {
		// told below
	}
	throw new LifeboatError(`This is not the JSON that was asked for: ${output.slice(0, 200)}`, {
		code: 'answer_unknown',
		status: 500,
		hint: 'Another version of the program may answer otherwise.',
	});
}
