import fc from 'fast-check';

// No carriage return, no NUL, and not the words that wrangler cuts out of a file.
const awkward = [
	...[
		'plain',
		'users',
		'd1_migrations',
		'Mixed Case',
		'x',
		'id',
		'name',
		'value',
		'key',
		'c0',
		'n',
		'i',
	],
	...[
		'select',
		'table',
		'index',
		'order',
		'group',
		'values',
		'default',
		'end',
		'begin',
		'case',
		'null',
	],
	...[
		"it's",
		'quo"te',
		'back`tick',
		'[bracketed]',
		'open[',
		'close]',
		`all"'\`[]`,
		"'",
		'"',
		'""',
		"''",
	],
	...[
		'two words',
		' leading',
		'trailing ',
		' ',
		'\t',
		'dotted.name',
		'.',
		'main.t',
		'semi;colon',
		';',
	],
	...['🚣', 'naïve', 'ÉCOLE', '東京', 'e\u0301', '\u2028', '\ufeff', '\u00a0', '\u202eabc', '👩‍👩‍👧‍👦'],
	...[
		'--',
		'-- comment',
		'/*',
		'*/',
		'/* x */',
		'1st',
		'42',
		'-1',
		'1e5',
		'$a',
		'?1',
		':a',
		'@a',
		'#',
	],
	...[
		'a\nb',
		'\n',
		'a\n.quit\nb',
		'\n/\n',
		'\ngo\n',
		'a\n;\nb',
		'\\',
		'\\n',
		'%s',
		'%',
		'_',
		'(',
		')',
		',',
	],
	...['=', 'a=b', '{}', '__proto__', 'constructor', 'toString', 'true', 'x_data', 'pragma_x'],
	'a name that goes on for quite a while without ever getting to any point at all, just to be long',
];

const letters = 'aAzZ_09 "\'`[].;,()-/*\\%$?:@#=\n\té東🚣';

const candidates = fc.oneof(
	{ weight: 3, arbitrary: fc.constantFrom(...awkward) },
	{
		weight: 1,
		arbitrary: fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 8 }),
	},
);

/** A name for a table, a column or any other object; names may repeat. */
export const names = (): fc.Arbitrary<string> => candidates;

/** Names in use, so that no scope has one twice. SQLite ignores ASCII case. */
export class Scope {
	readonly #taken: Set<string>;

	constructor(reserved: string[] = []) {
		this.#taken = new Set(reserved.map(folded));
	}

	/** The candidate, or a variation of it when it is taken; with each of the suffixes. */
	unique(candidate: string, suffixes: string[] = ['']): string {
		const names = (name: string) => suffixes.map((suffix) => folded(name + suffix));
		let name = candidate;
		for (let count = 2; names(name).some((taken) => this.#taken.has(taken)); count++) {
			name = candidate + String(count);
		}
		for (const taken of names(name)) this.#taken.add(taken);
		return name;
	}
}

function folded(name: string): string {
	return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
