import type { EncodingName } from '../../lib/server/backup/format/names.ts';
import { LifeboatError } from '../../lib/server/errors.ts';

/** What a file is, by its first bytes. */
export type Kind = EncodingName | 'database' | 'lifeboat' | 'sql';

/** Bytes that {@link kindOf} looks at. */
export const HEAD_BYTES = 4096;

/** First bytes, as Latin-1, of what holds no SQL. */
const OTHERS: [RegExp, string, string][] = [
	[/^PK[^\w\s]{2}/, 'a zip archive', 'Unpack it, and give the SQL file in it.'],
	[/^\xfd7zXZ/, 'compressed with xz', 'Unpack it with `xz -d`, and give the result.'],
	[/^BZh[1-9]/, 'compressed with bzip2', 'Unpack it with `bzip2 -d`, and give the result.'],
	[/^7z\xbc\xaf/, 'a 7z archive', 'Unpack it, and give the SQL file in it.'],
	[/^[^]{257}ustar/, 'a tar archive', 'Unpack it with `tar -x`, and give the SQL file in it.'],
	[
		/^PGDMP/,
		'a dump of PostgreSQL in its own format',
		'D1 is SQLite: convert the database to SQLite first, such as with pgloader or db-to-sqlite.',
	],
	[/^%PDF-/, 'a PDF', 'Give an SQL file.'],
	[
		/^\s*<(!doctype|html|\?xml|head|body)\b/i,
		'a web page, not SQL',
		'Something else was downloaded, such as a page to sign in. Fetch the backup again.',
	],
	[
		/^\s*[{[]/,
		'JSON, not SQL',
		'It may be an answer of the app: read it. Give the file of the backup, which ends in .sql, .sql.gz, .sql.zst or one of these and .age.',
	],
];

/**
 * Recognises a file by its first bytes, up to {@link HEAD_BYTES} of them; `name` is how sentences call it.
 * Throws `file_empty`, `file_not_utf8` and `file_not_sql` (422), which say what the file is.
 */
export function kindOf(head: Uint8Array, name: string): Kind {
	if (head.length === 0) throw empty(`${name} is empty.`);
	const text = Buffer.from(head).toString('latin1');
	if (text.startsWith('\x1f\x8b')) return 'gzip';
	if (text.startsWith('\x28\xb5\x2f\xfd') || isSkippableFrame(text)) return 'zstd';
	if (/^(age-encryption\.org\/v1|-----BEGIN AGE ENCRYPTED FILE-----)/.test(text)) return 'age';
	if (text.startsWith('SQLite format 3\0')) return 'database';
	if (/^(\xff\xfe|\xfe\xff|[\t\n\r -~]\0|\0[\t\n\r -~])/.test(text)) throw utf16(name);
	const other = OTHERS.find(([start]) => start.test(text));
	if (other) throw notSql(`${name} is ${other[1]}.`, other[2]);
	if (text.includes('\0')) {
		throw notSql(`${name} is not text.`, 'Give an SQL file or an SQLite database.');
	}
	return /^(\xef\xbb\xbf)?\s*-- Lifeboat /.test(text) ? 'lifeboat' : 'sql';
}

/** The start of a file of pzstd (RFC 8878, section 3.1.2). */
function isSkippableFrame(text: string): boolean {
	return /^[P-_]/.test(text) && text.startsWith('*M\x18', 1);
}

/** `file_empty` (422): there is nothing in the file that could be restored. */
export function empty(message: string): LifeboatError {
	return new LifeboatError(message, {
		code: 'file_empty',
		status: 422,
		hint: 'Nothing was changed. Use another backup; the program that wrote this one has failed.',
	});
}

function utf16(name: string): LifeboatError {
	return new LifeboatError(`${name} is text in UTF-16, as PowerShell writes it with ">".`, {
		code: 'file_not_utf8',
		status: 422,
		hint: 'Nothing was changed. Convert it: iconv -f UTF-16 -t UTF-8 FILE > converted.sql',
	});
}

function notSql(message: string, hint: string): LifeboatError {
	const details = { code: 'file_not_sql', status: 422, hint: `Nothing was changed. ${hint}` };
	return new LifeboatError(message, details);
}
