import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { ask, printAside } from '../terminal/print.ts';
import type { Target } from './target.ts';

/** How many names a sentence shows. */
const MAX_NAMES = 5;

/** How a replacement of what a target holds is confirmed. */
export interface Confirmation {
	/** The tables whose rows are replaced; null for the whole database. */
	tables: string[] | null;
	/** The answer given in advance; undefined to ask. */
	yes: string | undefined;
}

/** Throws `target_not_empty` (409), which names what is in the target. */
export function requireEmpty({ title, name }: Target, contents: string[]): void {
	if (contents.length === 0) return;
	const message = `The target, ${title}, is not empty: ${some(contents)}. Nothing was changed.`;
	throw new LifeboatError(message, {
		code: 'target_not_empty',
		status: 409,
		hint: `Restore into another target, or replace this one with --replace, in scripts also --yes ${name}.`,
	});
}

/** Asks for the target's name. Throws `replace_not_confirmed` (409) for any other answer. */
export async function confirm(
	target: Target,
	contents: string[],
	{ tables, yes }: Confirmation,
	{ signal }: Context,
): Promise<void> {
	if (yes !== undefined || !process.stdin.isTTY) {
		if (yes === target.name) return;
		throw notConfirmed(target);
	}
	const what = tables ? `the rows of ${tables.join(', ')}` : `everything: ${some(contents)}`;
	printAside([`This replaces ${what} in ${target.title}.`]);
	ask(`Type ${target.name} to confirm: `);
	const lines = createInterface({ input: process.stdin });
	const ended = once(lines, 'close', { signal }).then(() => ['']);
	const [typed] = (await Promise.race([once(lines, 'line', { signal }), ended]).catch(() => {
		throw signal.reason;
	})) as string[];
	lines.close();
	if (typed?.trim() !== target.name) throw notConfirmed(target);
}

function some(names: string[]): string {
	const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
	return names.slice(0, MAX_NAMES).join(', ') + more;
}

function notConfirmed({ name }: Target): LifeboatError {
	return new LifeboatError('The replacement was not confirmed. Nothing was changed.', {
		code: 'replace_not_confirmed',
		status: 409,
		hint: `Type ${name} when you are asked, or in scripts: --yes ${name}`,
	});
}
