// A program that stands in for `wrangler` and `gh` in a test: `node accounts.ts wrangler|gh ARGUMENT...`.
// It refuses every command and option that the help of the real one does not have, and keeps in $ACCOUNTS
// what the real ones would keep on Cloudflare and GitHub.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Accounts, type Command, expect } from './account-state.ts';
import { GH } from './gh.ts';
import { commandOf } from './help.ts';
import { WRANGLER } from './wrangler.ts';

/**
 * Does what `wrangler` or `gh` does with these arguments, and returns what it prints. Throws for what the
 * real one would refuse.
 */
export function act(
	tool: 'wrangler' | 'gh',
	args: string[],
	accounts: Accounts,
	input: () => string,
): string {
	const commands: Record<string, Command> = tool === 'wrangler' ? WRANGLER : GH;
	const described = expect(commandOf(tool, args), `a command of ${tool}, not ${args.join(' ')}`);
	const { name, most, options } = described;
	const command = expect(commands[name], `${name} to be known here`);
	expect(name.endsWith('login') || accounts.signedIn.includes(tool), `to be signed in to ${tool}`);
	const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
	const words = positionals.slice(name.split(' ').length);
	expect(words.length <= most, `${most} arguments, not ${words.join(' ')}`);
	return command(accounts, { words, options: { ...values }, input }) ?? '';
}

function main(tool: 'wrangler' | 'gh', args: string[]): void {
	const file = process.env['ACCOUNTS'] ?? '';
	const accounts = JSON.parse(readFileSync(file, 'utf8')) as Accounts;
	try {
		console.log(act(tool, args, accounts, () => readFileSync(0, 'utf8')));
		writeFileSync(file, JSON.stringify(accounts));
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}

const [, program, tool, ...args] = process.argv;
if (program === import.meta.filename && (tool === 'wrangler' || tool === 'gh')) main(tool, args);
