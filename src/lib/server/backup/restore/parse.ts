import { unquote } from '../sql.ts';

/** What a statement does, as far as a restore needs to know. Names are without quotes. */
export type Head =
	| CreateHead
	| RowsHead
	| DropHead
	| { kind: 'pragma'; name: string }
	| { kind: 'transaction'; verb: string }
	| { kind: 'other' };

export interface DropHead {
	kind: 'drop';
	type: string;
	name: string;
}

export interface CreateHead {
	kind: 'create';
	type: 'table' | 'virtual table' | 'index' | 'view' | 'trigger';
	name: string;
	/** The table that an index or trigger belongs to; for others the name itself. */
	table: string;
	unique: boolean;
}

/** An INSERT with VALUES. */
export interface RowsHead {
	kind: 'rows';
	table: string;
	/** Null if the statement names none. */
	columns: string[] | null;
	/** The index after VALUES. */
	values: number;
}

const COMMENT = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)*`;
const NAME =
	String.raw`"(?:[^"]|"")*"|'(?:[^']|'')*'|` +
	'`(?:[^`]|``)*`' +
	String.raw`|\[[^\]]*\]|[\w$\u0080-\uffff]+`;
const TOKEN = new RegExp(`${COMMENT}(${NAME}|[^\\s])`, 'y');

/** Parses the first words of a statement. Never throws: what it does not know is `other`. */
export function parseHead(sql: string): Head {
	const words = new Words(sql);
	switch (words.keyword()) {
		case 'INSERT':
			return insert(words);
		case 'CREATE':
			return create(words);
		case 'DROP':
			return drop(words);
		case 'PRAGMA':
			return { kind: 'pragma', name: words.name().toLowerCase() };
		case 'BEGIN':
		case 'COMMIT':
		case 'END':
		case 'ROLLBACK':
		case 'SAVEPOINT':
		case 'RELEASE':
			return { kind: 'transaction', verb: words.last.toUpperCase() };
		default:
			return { kind: 'other' };
	}
}

function insert(words: Words): Head {
	if (words.keyword() !== 'INTO') return { kind: 'other' };
	const table = words.qualifiedName();
	let columns: string[] | null = null;
	let next = words.keyword();
	if (next === '(') {
		columns = [];
		do columns.push(words.name());
		while (words.keyword() === ',');
		if (words.last !== ')') return { kind: 'other' };
		next = words.keyword();
	}
	if (next !== 'VALUES') return { kind: 'other' };
	return { kind: 'rows', table, columns, values: words.at };
}

function create(words: Words): Head {
	let word = words.keyword();
	const unique = word === 'UNIQUE';
	const virtual = word === 'VIRTUAL';
	if (unique || virtual || word === 'TEMP' || word === 'TEMPORARY') word = words.keyword();
	const type = word.toLowerCase();
	if (type !== 'table' && type !== 'index' && type !== 'view' && type !== 'trigger') {
		return { kind: 'other' };
	}
	const name = words.skip('IF', 'NOT', 'EXISTS').qualifiedName();
	const table = type === 'index' || type === 'trigger' ? words.nameAfter('ON') : name;
	return { kind: 'create', type: virtual ? 'virtual table' : type, name, table, unique };
}

function drop(words: Words): Head {
	const type = words.keyword().toLowerCase();
	return { kind: 'drop', type, name: words.skip('IF', 'EXISTS').qualifiedName() };
}

/** The tokens of a statement, one after another. */
class Words {
	last = '';
	at = 0;
	readonly #sql: string;

	constructor(sql: string) {
		this.#sql = sql;
	}

	/** The next token in upper case; empty at the end. */
	keyword(): string {
		TOKEN.lastIndex = this.at;
		const [all = '', token = ''] = TOKEN.exec(this.#sql) ?? [];
		this.at += all.length;
		this.last = token;
		return token.toUpperCase();
	}

	/** The next token as a name, without its quotes. */
	name(): string {
		this.keyword();
		return unquote(this.last);
	}

	/** `name`, or the second part of `schema.name`. */
	qualifiedName(): string {
		const name = this.name();
		const before = this.at;
		if (this.keyword() === '.') return this.name();
		this.at = before;
		return name;
	}

	/** Skips these words if they come next. */
	skip(...expected: string[]): this {
		for (const word of expected) {
			const before = this.at;
			if (this.keyword() === word) continue;
			this.at = before;
			break;
		}
		return this;
	}

	/** The name after the next such keyword; empty if there is none. */
	nameAfter(keyword: string): string {
		for (let word = this.keyword(); word !== ''; word = this.keyword()) {
			if (word === keyword) return this.qualifiedName();
		}
		return '';
	}
}
