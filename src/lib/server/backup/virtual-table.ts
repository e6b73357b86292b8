import { foldCase, unquote } from './sql.ts';
import { type Token, TokenReader } from './tokenizer.ts';

/* Virtual tables: what their definitions say that no PRAGMA tells. */

/** The definition of a virtual table. */
export interface VirtualTable {
	/** The module's name in lower case, such as `fts5`. */
	module: string;
	/** The tokens of each argument, without comments. */
	arguments: Token[][];
}

/** What the options of an FTS5 table say about its rows. */
export interface FullText {
	/**
	 * `own`: it has rows of its own; `external`: it indexes those of another table or view;
	 * `contentless`: it has an index only (SQLite: FTS5, "External Content and Contentless Tables").
	 */
	content: 'own' | 'external' | 'contentless';
	/** The table or view that an external index is about; '' for others. */
	source: string;
	/** The column of that table that has the rowids. */
	sourceRowid: string;
	/** Whether the shadow table `_docsize` tells which rowids are in the index. */
	hasSizes: boolean;
	/** Whether each text has a locale of its own. */
	hasLocales: boolean;
	/** Whether a contentless table keeps UNINDEXED columns, in a shadow table `_content`. */
	keepsUnindexed: boolean;
	/** What the index knows of each term: row, column and place; row and column; or the row. */
	detail: 'full' | 'column' | 'none';
	/** The tokenizer and its arguments; null for the default. */
	tokenizer: string | null;
}

/**
 * The options of FTS5 in the order in which it looks for them: it takes the first that begins with
 * the given word (SQLite: fts5_config.c, fts5ConfigParseSpecial).
 */
const OPTIONS = [
	'prefix',
	'tokenize',
	'content',
	'contentless_delete',
	'contentless_unindexed',
	'content_rowid',
	'columnsize',
	'locale',
	'detail',
	'tokendata',
] as const;
type Option = (typeof OPTIONS)[number];

/** The shadow tables of R*Trees (SQLite: R*Tree, "Shadow Tables"). */
const RTREE_SHADOWS = ['node', 'parent', 'rowid'];
/** What SQLite takes for shadow tables of an FTS5 table (SQLite: fts5_main.c, fts5ShadowName). */
const FULL_TEXT_SHADOWS = ['config', 'content', 'data', 'docsize', 'idx'];

/** The modules whose tables a backup can contain: all that D1 has (D1 > SQL statements). */
const MODULES = ['fts5', 'fts5vocab', 'rtree', 'rtree_i32'];

/** Whether a backup can contain the virtual tables of this module, given in lower case. */
export function isKnownModule(module: string): boolean {
	return MODULES.includes(module);
}

/** Reads the text of a CREATE VIRTUAL TABLE statement; null if it is none. */
export function parseVirtualTable(sql: string): VirtualTable | null {
	const reader = new TokenReader(sql);
	if (!reader.skip('CREATE', 'VIRTUAL', 'TABLE')) return null;
	reader.skip('IF', 'NOT', 'EXISTS');
	reader.qualifiedName();
	if (!reader.skip('USING')) return null;
	const module = foldCase(reader.name());
	return { module, arguments: reader.skip('(') ? readArguments(reader) : [] };
}

/** What the arguments of an FTS5 table say; null for any other definition. */
export function parseFullText(sql: string): FullText | null {
	const table = parseVirtualTable(sql);
	if (table?.module !== 'fts5') return null;
	const options = fullTextOptions(table);
	const source = options.get('content');
	const isOn = (option: Option) => Number(options.get(option) ?? 0) !== 0;
	return {
		content: source === undefined ? 'own' : source === '' ? 'contentless' : 'external',
		source: source ?? '',
		sourceRowid: options.get('content_rowid') ?? 'rowid',
		hasSizes: Number(options.get('columnsize') ?? 1) !== 0,
		hasLocales: isOn('locale'),
		keepsUnindexed:
			source === '' && isOn('contentless_unindexed') && table.arguments.some(isUnindexed),
		detail: detailOf(options.get('detail') ?? ''),
		tokenizer: options.get('tokenize') ?? null,
	};
}

/** FTS5 takes any beginning of `none`, `full` and `columns` (fts5_config.c, fts5ConfigSetEnum). */
function detailOf(value: string): FullText['detail'] {
	const first = foldCase(value.charAt(0));
	if (first === 'n') return 'none';
	return first === 'c' ? 'column' : 'full';
}

/** Whether an FTS5 table indexes each three characters in a row. */
export function isTrigram({ tokenizer }: FullText): boolean {
	return foldCase(tokenizer ?? '').includes('trigram');
}

/**
 * The names, folded, of the shadow tables that a virtual table creates; null if its module is not
 * known. SQLite takes any table of such a name for a shadow table, also one that the virtual table
 * did not create (SQLite: xShadowName).
 */
export function shadowTables(name: string, sql: string): string[] | null {
	const suffixes = shadowSuffixes(sql);
	return suffixes && suffixes.map((suffix) => foldCase(`${name}_${suffix}`));
}

/**
 * The names, folded, of all tables that SQLite takes for shadow tables of a virtual table, whether
 * it created them or not. D1 refuses writes to them, and triggers on them (SQLite: Defensive mode).
 */
export function takenForShadows(name: string, sql: string): string[] {
	const module = parseVirtualTable(sql)?.module;
	const suffixes = module === 'fts5' ? FULL_TEXT_SHADOWS : (shadowSuffixes(sql) ?? []);
	return suffixes.map((suffix) => foldCase(`${name}_${suffix}`));
}

/** Whether an argument of an FTS5 table is an UNINDEXED column. */
function isUnindexed([, option, ...more]: Token[]): boolean {
	return more.length === 0 && foldCase(unquote(option?.text ?? '')) === 'unindexed';
}

function shadowSuffixes(sql: string): string[] | null {
	const module = parseVirtualTable(sql)?.module ?? '';
	if (!isKnownModule(module)) return null;
	if (module === 'fts5') return fullTextShadows(parseFullText(sql));
	return module === 'fts5vocab' ? [] : RTREE_SHADOWS;
}

function fullTextShadows(fullText: FullText | null): string[] {
	const suffixes = ['data', 'idx', 'config'];
	if (fullText?.hasSizes) suffixes.push('docsize');
	if (fullText?.content === 'own' || fullText?.keepsUnindexed) suffixes.push('content');
	return suffixes;
}

/** The arguments up to the closing parenthesis, split at commas outside of parentheses. */
function readArguments(reader: TokenReader): Token[][] {
	const found: Token[][] = [[]];
	let depth = 0;
	for (let token = reader.token(); token; token = reader.token()) {
		if (token.text === ')' && depth-- === 0) break;
		if (token.text === '(') depth++;
		if (token.text === ',' && depth === 0) found.push([]);
		else found.at(-1)?.push(token);
	}
	return found;
}

/** The options among the arguments; the last of each counts. */
function fullTextOptions({ arguments: given }: VirtualTable): Map<Option, string> {
	const options = new Map<Option, string>();
	for (const [name, equals, ...value] of given) {
		if (name?.kind !== 'word' || equals?.text !== '=') continue;
		const option = OPTIONS.find((candidate) => candidate.startsWith(foldCase(name.text)));
		if (option) options.set(option, unquote(value.map(({ text }) => text).join('')));
	}
	return options;
}
