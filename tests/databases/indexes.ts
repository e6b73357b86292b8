import fc from 'fast-check';
import { chance, type Draw, pick, times, upTo } from './draw.ts';
import { names, Scope } from './names.ts';
import { identifier, text } from './sql.ts';

/** An FTS5 table without texts, and what is put into it. */
export interface Index {
	name: string;
	columns: string[];
	statements: string[];
	/** Statements that remove each row, as an app would. */
	removals: string[];
	/** Whether FTS5 has counted its rows and words right: DELETE leaves them as they were. */
	isCounted: boolean;
	/** Conditions of searches; SQLite refuses some of them. */
	searches: string[];
}

const WORDS = [
	...[
		'database',
		'databases',
		'running',
		'runs',
		'buses',
		'bus',
		'news',
		'happily',
		'generalizations',
	],
	...[
		'relational',
		'agreed',
		'sky',
		'skies',
		'a',
		'as',
		'is',
		'x1',
		'2026',
		'lll',
		'obregelll',
		'es',
	],
	...['École', 'e\u0301cole', 'naïve', 'STRASSE', 'straße', 'İstanbul', '東京都', '🚣', 'ﬁn', 'Ǆ'],
	...["it's", 'semi;colon', 'a-b_c', 'NEAR', 'quo"te', 'd\0e', 'BEGIN', 'Aaa', 'aaaa', 'ababab'],
];
const GAPS = [' ', ' ', ' ', ', ', '\r\n', '.', '\0', '/* */', '', '-'];

const TOKENIZERS = [
	...['', 'unicode61', 'ascii', 'porter', 'porter ascii', 'trigram', 'trigram case_sensitive 1'],
	...[
		'unicode61 remove_diacritics 0',
		"unicode61 tokenchars '-_ '",
		"porter unicode61 separators 'a'",
	],
	...["unicode61 categories 'L* N* Co So'", "ascii tokenchars '.;'", 'trigram remove_diacritics 1'],
];

/** Random indexes, each with the texts that made it. */
export function indexes(): fc.Arbitrary<Index> {
	return fc.gen().map(index);
}

function index(draw: Draw): Index {
	const scope = new Scope(['rank', 'rowid', 'nowhere', '']);
	const name = scope.unique(draw(names));
	const columns = times(1 + upTo(draw, 2), () => scope.unique(draw(names)));
	const isDeletable = chance(draw, 25);
	const unindexed = columns.length > 1 && chance(draw, 20);
	const content = isDeletable || chance(draw, 75) ? `content=''` : 'content=gone';
	const options = [
		content,
		...optionsOf(draw, isDeletable),
		...(unindexed && content === `content=''` && chance(draw, 50)
			? ['contentless_unindexed=1']
			: []),
	];
	const defined = columns.map((column, at) =>
		unindexed && at === 0 ? `${identifier(column)} UNINDEXED` : identifier(column),
	);
	const rows = draw(rowids).map((rowid) => [rowid, ...columns.map(() => textOf(draw))]);
	const insert = `INSERT INTO ${identifier(name)} (rowid, ${columns.map(identifier).join(', ')})`;
	const remove = (row: string[]) => removal(name, columns, row, isDeletable);
	const gone = rows.filter(() => chance(draw, 15));
	return {
		name,
		columns,
		statements: [
			`CREATE VIRTUAL TABLE ${identifier(name)} USING fts5(${[...defined, ...options].join(', ')})`,
			...rows.map((row) => `${insert} VALUES (${row.join(', ')})`),
			...gone.map(remove),
		],
		removals: rows.filter((row) => !gone.includes(row)).map(remove),
		isCounted: !isDeletable || gone.length === 0,
		searches: times(12, () => search(draw, columns)),
	};
}

function optionsOf(draw: Draw, isDeletable: boolean): string[] {
	const tokenizer = pick(draw, TOKENIZERS);
	const details = tokenizer.startsWith('trigram') ? ['full'] : ['full', 'column', 'none'];
	return [
		...(tokenizer === '' ? [] : [`tokenize=${text(tokenizer)}`]),
		`detail=${pick(draw, details)}`,
		...(isDeletable ? ['contentless_delete=1'] : [`columnsize=${upTo(draw, 1)}`]),
		...(chance(draw, 30) ? [`prefix='1 3'`] : []),
	];
}

const rowids = (): fc.Arbitrary<string[]> =>
	fc
		.uniqueArray(fc.oneof(fc.bigInt(1n, 30n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)), {
			maxLength: 12,
		})
		.map((all) => all.map(String));

/** A literal. */
function textOf(draw: Draw): string {
	if (chance(draw, 10)) return 'NULL';
	const words = times(pick(draw, [0, 1, 2, 5, 12, 40]), () => pick(draw, WORDS) + pick(draw, GAPS));
	const hex = Buffer.from(words.join('')).toString('hex');
	return `CAST(X'${hex}' AS TEXT)`;
}

function removal(name: string, columns: string[], row: string[], isDeletable: boolean): string {
	const table = identifier(name);
	if (isDeletable) return `DELETE FROM ${table} WHERE rowid = ${row[0]}`;
	const fields = [name, 'rowid', ...columns].map((field) => identifier(field));
	return `INSERT INTO ${table} (${fields.join(', ')}) VALUES ('delete', ${row.join(', ')})`;
}

/** A condition of FTS5, as an SQL literal. */
function search(draw: Draw, columns: string[]): string {
	const word = () => `"${pick(draw, WORDS).replaceAll('"', '""').replaceAll('\0', ' ')}"`;
	const phrase = () => times(1 + upTo(draw, 2), word).join(' + ');
	const column = () => `"${pick(draw, columns).replaceAll('"', '""')}"`;
	return text(
		pick(draw, [
			word(),
			phrase(),
			`${word()}*`,
			`"${pick(draw, ['d', 'run', 'e', 'nai', '東'])}" *`,
			`${column()} : ${phrase()}`,
			`^ ${word()}`,
			`NEAR(${word()} ${word()}, ${upTo(draw, 4)})`,
			`${word()} OR ${word()}`,
			`${word()} NOT ${word()}`,
		]),
	);
}
