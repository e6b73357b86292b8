import { TokenReader } from '../tokenizer.ts';

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

/** Parses the first words of a statement. Never throws: what it does not know is `other`. */
export function parseHead(sql: string): Head {
	const reader = new TokenReader(sql);
	const verb = reader.keyword();
	switch (verb) {
		case 'INSERT':
			return insert(reader);
		case 'CREATE':
			return create(reader);
		case 'DROP':
			return drop(reader);
		case 'PRAGMA':
			return { kind: 'pragma', name: reader.name().toLowerCase() };
		case 'BEGIN':
		case 'COMMIT':
		case 'END':
		case 'ROLLBACK':
		case 'SAVEPOINT':
		case 'RELEASE':
			return { kind: 'transaction', verb };
		default:
			return { kind: 'other' };
	}
}

function insert(reader: TokenReader): Head {
	if (!reader.skip('INTO')) return { kind: 'other' };
	const table = reader.qualifiedName();
	const columns = reader.skip('(') ? readColumns(reader) : null;
	if (!reader.skip('VALUES')) return { kind: 'other' };
	return { kind: 'rows', table, columns, values: reader.end };
}

/** The names up to the closing parenthesis. */
function readColumns(reader: TokenReader): string[] {
	const columns: string[] = [];
	do columns.push(reader.name());
	while (reader.skip(','));
	reader.skip(')');
	return columns;
}

function create(reader: TokenReader): Head {
	let word = reader.keyword();
	const unique = word === 'UNIQUE';
	const virtual = word === 'VIRTUAL';
	if (unique || virtual || word === 'TEMP' || word === 'TEMPORARY') word = reader.keyword();
	const type = word.toLowerCase();
	if (type !== 'table' && type !== 'index' && type !== 'view' && type !== 'trigger') {
		return { kind: 'other' };
	}
	reader.skip('IF', 'NOT', 'EXISTS');
	const name = reader.qualifiedName();
	const table = type === 'index' || type === 'trigger' ? nameAfterOn(reader) : name;
	return { kind: 'create', type: virtual ? 'virtual table' : type, name, table, unique };
}

/** The name after the next ON; '' if there is none. */
function nameAfterOn(reader: TokenReader): string {
	while (reader.next !== null) {
		if (reader.skip('ON')) return reader.qualifiedName();
		reader.token();
	}
	return '';
}

function drop(reader: TokenReader): Head {
	const type = reader.keyword().toLowerCase();
	reader.skip('IF', 'EXISTS');
	return { kind: 'drop', type, name: reader.qualifiedName() };
}
