import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import type { Statement } from '../../lib/server/backup/restore/statements.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { HEAD_BYTES } from './kind.ts';
import { after, type Place, placeOf, printPlace } from './place.ts';

/** A statement that SQLite did not run. */
export interface Refusal {
	/** How sentences call the file. */
	name: string;
	source: SqlSource;
	statement: Statement;
	error: Error;
	/** What the guard refused; null if SQLite itself refused the statement. */
	refused: string | null;
	/** Whether SQLite says the same about this part of the statement. */
	isSyntax(sql: string): boolean;
}

/** Statements, words and ways to write text of other databases. */
const DIALECTS: { name: string; code: string; head: RegExp; statement: RegExp }[] = [
	{
		name: 'MySQL or MariaDB',
		code: 'sql_of_mysql',
		head: /^-- (MySQL|MariaDB) dump|phpMyAdmin/im,
		statement:
			/\\'|\bENGINE\s*=|\bAUTO_INCREMENT\b|\bUNSIGNED\b|\bCHARACTER SET\b|\bCOLLATE\s*=|\bON UPDATE CURRENT_TIMESTAMP|\bENUM\s*\(|\bKEY\s+`|^SET\s+(@|NAMES|SQL_MODE|FOREIGN_KEY_CHECKS|TIME_ZONE|AUTOCOMMIT|UNIQUE_CHECKS)|^(UN)?LOCK TABLES|^START TRANSACTION|^USE\s+`|^CREATE DATABASE|^DELIMITER|\/\*!\d{5}/i,
	},
	{
		name: 'PostgreSQL',
		code: 'sql_of_postgres',
		head: /^-- PostgreSQL database/im,
		statement:
			/^COPY\b[^;]*\bFROM\s+stdin|^SET\s+\w+\s*(=|TO\b)|\bpg_catalog\b|^ALTER TABLE ONLY\b|\bOWNER TO\b|::\s*\w+|^CREATE\s+(SCHEMA|SEQUENCE|EXTENSION|TYPE|FUNCTION|DOMAIN|ROLE)\b|\bE'|\$\$|\bnextval\s*\(|\bAS IDENTITY\b|^\\(connect|restrict|\.)|^COMMENT ON\b|^GRANT\b/i,
	},
	{
		name: 'SQL Server',
		code: 'sql_of_sql_server',
		head: /^\/\*+ Object:/im,
		statement: /^SET\s+(ANSI_|QUOTED_IDENTIFIER|IDENTITY_INSERT|NOCOUNT)|\[dbo\]|\bN'|^USE\s+\[/i,
	},
];
/** Characters of a statement that are searched for these. */
const SEARCHED = 100_000;

/** Functions and tables that only the sqlite3 shell has, and that reach outside. */
const OF_SHELL = /^no such (?:function|table): (readfile|writefile|edit|fsdir|load_extension)$/i;
/** How a line of SQL begins. */
const SQL_LINE =
	/^\s*(--|\/\*|(ALTER|ANALYZE|BEGIN|CREATE|DELETE|DROP|INSERT|PRAGMA|REPLACE|SAVEPOINT|SELECT|UPDATE|WITH)\b)/i;

/** Says why SQLite did not run a statement, and where it is. */
export async function explain(refusal: Refusal): Promise<LifeboatError> {
	const { source, statement, error, refused } = refusal;
	const start = await placeOf(source, statement.start);
	const shell = OF_SHELL.exec(error.message)?.[1];
	if (refused !== null) return notAllowed(refusal, start, refused);
	if (shell !== undefined) return notAllowed(refusal, start, `The function ${shell}`);
	const command = /^\.\w*/.exec(statement.sql)?.[0];
	if (command !== undefined) return dotCommand(refusal, start, command);
	const head = await headOf(source);
	return (
		ofOtherDatabase(refusal, start, head) ??
		outputAbove(refusal, head) ??
		rowsWithoutTable(refusal, start) ??
		unclosed(refusal, start) ??
		plain(refusal, start)
	);
}

function notAllowed({ name }: Refusal, start: Place, what: string): LifeboatError {
	return new LifeboatError(
		`${what} is not allowed in a file to restore: it reaches outside of the database (${name}, ${printPlace(start)}).`,
		{
			code: 'statement_not_allowed',
			status: 422,
			hint: 'Nothing was changed. Find out who wrote the file. If it is yours, remove the statement.',
		},
	);
}

function dotCommand({ name }: Refusal, start: Place, command: string): LifeboatError {
	return new LifeboatError(
		`${name}, ${printPlace(start)}: ${command} is a command of the sqlite3 shell, not SQL.`,
		{
			code: 'dot_command',
			status: 422,
			hint: 'Nothing was changed. Remove the line, and restore the file again.',
		},
	);
}

function ofOtherDatabase(refusal: Refusal, start: Place, head: string): LifeboatError | null {
	const text = refusal.statement.sql.slice(0, SEARCHED);
	const dialect = DIALECTS.find((each) => each.head.test(head) || each.statement.test(text));
	if (!dialect) return null;
	const place = placeInStatement(refusal, start);
	return new LifeboatError(
		`${refusal.name} is SQL of ${dialect.name}, not of SQLite: see ${printPlace(place)} (${reason(refusal)}).`,
		{
			code: dialect.code,
			status: 422,
			hint: 'Nothing was changed. D1 is SQLite: convert the data to SQLite first, such as with mysql2sqlite, pgloader or db-to-sqlite.',
		},
	);
}

/** What npm, a shell or a log printed before the SQL begins. */
function outputAbove({ name, statement }: Refusal, head: string): LifeboatError | null {
	const lines = head.split('\n');
	const first = lines.findIndex((line) => line.trim() !== '');
	if (statement.number > 1 || SQL_LINE.test(lines[first] ?? '')) return null;
	const sql = lines.findIndex((line, index) => index > first && SQL_LINE.test(line));
	const shown = JSON.stringify((lines[first] ?? '').slice(0, 80));
	if (sql === -1) {
		return new LifeboatError(`${name} is not SQL: line ${first + 1} begins with ${shown}.`, {
			code: 'file_not_sql',
			status: 422,
			hint: 'Nothing was changed. Give an SQL file or an SQLite database.',
		});
	}
	return new LifeboatError(
		`${name} begins with the output of another program: line ${first + 1}, ${shown}. The SQL begins on line ${sql + 1}.`,
		{
			code: 'output_above_sql',
			status: 422,
			hint: `Nothing was changed. Remove what is above: tail -n +${sql + 1} FILE > only.sql`,
		},
	);
}

function rowsWithoutTable({ name, statement, error }: Refusal, start: Place): LifeboatError | null {
	const table = /^no such table: (?:main\.)?([^]*)$/.exec(error.message)?.[1];
	if (table === undefined || !/^(INSERT|REPLACE|UPDATE|DELETE)\b/i.test(statement.sql)) return null;
	return new LifeboatError(
		`${name} has rows of the table ${JSON.stringify(table)} (${printPlace(start)}), but does not create it.`,
		{
			code: 'rows_without_tables',
			status: 422,
			hint: 'Nothing was changed. Export the definitions too (wrangler d1 export without --no-schema), or put them above: cat schema.sql FILE > whole.sql',
		},
	);
}

/** The end of the file is missing: the last statement has no end even for SQLite. */
function unclosed({ name, statement, error }: Refusal, start: Place): LifeboatError | null {
	const cut = /^incomplete input$|^unrecognized token: "['"`[]/.test(error.message);
	if (!cut || statement.sql.endsWith(';')) return null;
	return new LifeboatError(
		`The end of ${name} is missing: the statement at ${printPlace(start)} has no end.`,
		{
			code: 'sql_incomplete',
			status: 422,
			hint: 'Nothing was changed. Download the file again, or use another backup.',
		},
	);
}

function plain(refusal: Refusal, start: Place): LifeboatError {
	const place = printPlace(placeInStatement(refusal, start));
	return new LifeboatError(`${refusal.name}, ${place}: SQLite refuses it: ${reason(refusal)}.`, {
		code: 'sql_refused',
		status: 422,
		hint: 'Nothing was changed. Correct the file at this place, or use another backup.',
	});
}

/** Where SQLite stopped reading: at the token that its message names, else at the statement. */
function placeInStatement({ statement, error, isSyntax }: Refusal, start: Place): Place {
	const [, near, unrecognized] =
		/^(?:near "([^]*)": syntax error|unrecognized token: "([^]*)")$/.exec(error.message) ?? [];
	const token = near ?? unrecognized ?? '';
	const { sql } = statement;
	let tries = 0;
	let at = token === '' ? -1 : sql.indexOf(token);
	while (at !== -1 && tries++ < MAX_TRIES) {
		if (isSyntax(sql.slice(0, at + token.length))) return after(start, sql.slice(0, at));
		at = sql.indexOf(token, at + 1);
	}
	return start;
}

/** Places of a token to try: each is parsed by SQLite. */
const MAX_TRIES = 200;

function reason({ error }: Refusal): string {
	return error.message.slice(0, 200);
}

/** The first bytes of the file as text. */
async function headOf(source: SqlSource): Promise<string> {
	let head = Buffer.alloc(0);
	for await (const chunk of source.open()) {
		if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES)]);
	}
	return head.toString('utf8');
}
