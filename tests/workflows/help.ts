import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ParseArgsOptionsConfig } from 'node:util';

// What the programs themselves say of their commands. help/wrangler.txt is what `wrangler COMMAND --help`
// prints, without the flags that every command has; help/gh.txt is from the manual pages of Debian's gh.
// The first line is the version.

/** A command as its help describes it. */
export interface Described {
	/** Its words, such as `r2 bucket create`. */
	name: string;
	/** The most arguments that it takes besides options. */
	most: number;
	options: ParseArgsOptionsConfig;
}

/** The text of a program's help. */
export function helpOf(tool: 'wrangler' | 'gh'): string {
	return readFileSync(join(import.meta.dirname, `help/${tool}.txt`), 'utf8');
}

/** The command of a command line. Undefined if the help knows none. */
export function commandOf(tool: 'wrangler' | 'gh', args: string[]): Described | undefined {
	const line = `${args.join(' ')} `;
	const known = helpOf(tool)
		.split(new RegExp(`^(?=${tool} )`, 'm'))
		.map((section) => describe(tool, section))
		.filter(({ name }) => line.startsWith(`${name} `));
	return known.sort((a, b) => b.name.length - a.name.length)[0];
}

function describe(tool: string, section: string): Described {
	const [usage = ''] = section.split('\n');
	const [, name = '', rest = ''] =
		new RegExp(`^${tool} ([^<[]*?) *((?:[<[].*)?)$`).exec(usage) ?? [];
	const words = rest.replace('[flags]', '').trim();
	const options = section.split(/^(?= +(?:-\w, )?--\w)/m).slice(1);
	return {
		name,
		most: words === '' ? 0 : words.split(/[>\]] [<[]/).length,
		options: Object.fromEntries(options.flatMap((option) => optionsIn(tool, option))),
	};
}

/** `-e, --env environment   Set …` of gh, `-y, --force   Skip …  [boolean]` of wrangler. */
function optionsIn(tool: string, text: string): [string, ParseArgsOptionsConfig[string]][] {
	const [head = ''] = text.trim().split(/ {2,}/);
	const [, short] = /^-(\w), /.exec(head) ?? [];
	const [, value] = / ([^\s-]\S*)$/.exec(head) ?? [];
	const isFlag = tool === 'gh' ? value === undefined : text.includes('[boolean]');
	return [...head.matchAll(/--([\w-]+)/g)].map(([, name = ''], at) => [
		name,
		{
			type: isFlag ? 'boolean' : 'string',
			multiple: value === 'key=value',
			...(at === 0 && short !== undefined && { short }),
		},
	]);
}
