import { chance, pick, times, upTo, type Draw } from './draw.ts';

/*
 * Statements in a short form, to be printed plainly, or with remarks, quotes, case and white space in
 * every place where SQLite allows them. In the short form, `<x>` is a name, `{x}` a name within an
 * expression, where SQLite takes single quotes for text, `+<x>` a column that R*Trees only store, and
 * `@x=y` an option of FTS5, whose value is a name if it is `<y>`. Everything else is printed as it is,
 * keywords in any case. Spaces separate all these.
 */

/** How to print the parts of a statement. */
export interface Printer {
	name(name: string, inExpression: boolean): string;
	word(word: string): string;
	/** What is between two parts, and at the ends. */
	space(): string;
	/** What FTS5 allows within one of its arguments. */
	blank(): string;
}

/** Prints a statement in its short form. */
export function print(short: string, names: ReadonlyMap<string, string>, printer: Printer): string {
	const [first = '', ...rest] = short.split(' ').map((part) => printPart(part, names, printer));
	return first + rest.map((part) => printer.space() + part).join('') + printer.space();
}

function printPart(part: string, names: ReadonlyMap<string, string>, printer: Printer): string {
	const { name, word, blank } = printer;
	const [, before = '', inner, after = ''] = /^([^<{]*)[<{](\w+)[>}](.*)$/.exec(part) ?? [];
	const option = /^@(\w+)=(.*)$/.exec(part);
	if (option) {
		const [, key = '', value = ''] = option;
		const printed = inner === undefined ? value : name(names.get(inner) ?? inner, false);
		return `${word(key)}${blank()}=${blank()}${printed}`;
	}
	if (inner === undefined) return /^\w+$/.test(part) ? word(part) : part;
	return `${before}${name(names.get(inner) ?? inner, part.includes('{'))}${after && ` ${blank()}`}${after}`;
}

/** Prints as people mostly write. */
export const plain: Printer = {
	name: (name) => quoted(name, '"'),
	word: (word) => word,
	space: () => ' ',
	blank: () => ' ',
};

/** Prints in every other way. */
export function remarked(draw: Draw): Printer {
	return {
		name(name, inExpression) {
			const quotes = [
				'"',
				'`',
				...(name.includes(']') ? [] : ['[']),
				...(inExpression ? [] : ["'"]),
			];
			if (/^[A-Za-z]\w*$/.test(name) && chance(draw, 30)) return name;
			return quoted(name, pick(draw, quotes));
		},
		word: (word) =>
			[...word].map((letter) => (chance(draw, 30) ? swapped(letter) : letter)).join(''),
		space: () =>
			pick(draw, [' ', '\n']) + times(pick(draw, [0, 0, 1, 2]), () => remark(draw)).join(''),
		blank: () => pick(draw, ['', ' ', '  ']),
	};
}

function quoted(name: string, quote: string): string {
	if (quote === '[') return `[${name}]`;
	return quote + name.replaceAll(quote, quote + quote) + quote;
}

function swapped(letter: string): string {
	return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
}

/** Words that mean something elsewhere, and quotes that are never closed. */
const MISLEADING = [
	`content=''`,
	'USING rtree(id, a, b)',
	'USING fts5(x)',
	`it's`,
	'"',
	'`[',
	'COLLATE NOCASE',
	'CHECK (0)',
	') WITHOUT ROWID, STRICT',
	'REFERENCES other (id)',
	'ON other',
	'DESC',
	'); --',
	', columnsize=0',
	'UNIQUE (',
	'END;',
];

function remark(draw: Draw): string {
	const words = pick(draw, MISLEADING);
	return pick(draw, [
		`-- ${words} /*\n`,
		`/* ${words} -- */`,
		`/**${words}\n**/`,
		'\t\f\n',
		'/**/',
	]);
}

/** Names for the tables and columns of a schema, some of which need quotes. */
export function namesFor(draw: Draw, keys: readonly string[]): Map<string, string> {
	const strange = [' %', '"%', "%'s", '%.x', 'ü%', '`%', '[%', '%)', 'select %', '%--', '%,/*'];
	return new Map(
		keys.map((key) => [key, chance(draw, 40) ? pick(draw, strange).replace('%', key) : key]),
	);
}

/** A schema in the short form: tables of every kind that recognition has to tell apart. */
export function shortSchema(draw: Draw): string[] {
	const maybe = (text: string, percent = 50) => (chance(draw, percent) ? text : '');
	const collation = () => maybe(` COLLATE ${pick(draw, ['<NOCASE>', '<RTRIM>', '<BINARY>'])}`, 40);
	const statements = [
		`CREATE TABLE <teams> ( <id> INTEGER PRIMARY KEY${maybe(' DESC', 30)} , <slug> TEXT${collation()} ,` +
			` <n> INTEGER${maybe(' CHECK ( {n} > 0 )')} , <g> TEXT GENERATED ALWAYS AS ( {slug} || '/*x' )` +
			`${maybe(` , UNIQUE ( {slug}${collation()} )`, 40)} )`,
		`CREATE TABLE <members> ( <team> TEXT${maybe(' COLLATE <NOCASE>')} REFERENCES <teams>` +
			`${maybe(' ( <slug> )', 80)}${maybe(' ON DELETE CASCADE')} , <k> , PRIMARY KEY ( {k}${collation()}` +
			`${maybe(' DESC')} , {team} )${maybe(` , FOREIGN KEY ( <k> ) REFERENCES <gone> ( <id> )`)} ) WITHOUT ROWID`,
		`CREATE VIEW <titles>${maybe(' ( <id> , <slug> )')} AS SELECT {id} , {slug} FROM <teams>`,
		`CREATE VIRTUAL TABLE <search> USING <fts5> ( ${fullText(draw)} )`,
	];
	const more = [
		`CREATE UNIQUE INDEX <by_slug> ON <teams> ( {slug}${collation()} )${maybe(' WHERE {n} > 1', 30)}`,
		'CREATE TRIGGER <changed> AFTER UPDATE OF <slug> ON <teams> WHEN 1 BEGIN SELECT 1 ; END',
		'CREATE VIRTUAL TABLE <places> USING <rtree> ( <id> , <x0> , <x1> , +<label> )',
		'CREATE VIRTUAL TABLE <words> USING <fts5vocab> ( <search> , <row> )',
	];
	return [...statements, ...more.filter(() => chance(draw, 60))];
}

/** The arguments of an FTS5 table of columns that the table `teams` has, in any order. */
function fullText(draw: Draw): string {
	const content = pick(draw, [
		[],
		['@content=<teams>', '@content_rowid=<id>'],
		['@content=<titles>', '@content_rowid=<id>'],
		[`@content=''`],
		[`@content=""`, '@contentless_delete=1'],
	]);
	const others = [`@tokenize='porter'`, '@columnsize=0', `@prefix='2'`, '@detail=none'];
	const isDelete = content.length === 2 && content[0] === '@content=""';
	const options = [
		...content,
		...others.filter((option) => chance(draw, 25) && !(isDelete && option.startsWith('@col'))),
	];
	const parts = chance(draw, 30) ? ['<slug>'] : ['<slug>', '<id>UNINDEXED'];
	for (const option of options) parts.splice(upTo(draw, parts.length), 0, option);
	return parts.join(' , ');
}
