const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** The lines of a table, one of them under its heads; columns of numbers are aligned to the right. */
export function formatTable(heads: string[], rows: (string | number)[][]): string[] {
	const texts = rows.map((row) =>
		row.map((cell) => (typeof cell === 'number' ? count(cell) : printable(cell))),
	);
	const widths = heads.map((_, column) =>
		Math.max(...[heads, ...texts].map((row) => row[column]?.length ?? 0)),
	);
	const isNumber = heads.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
	const lines = [heads, widths.map((width) => '-'.repeat(width)), ...texts].map((row) =>
		row.map((cell, column) => {
			const width = widths[column] ?? 0;
			return isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
		}),
	);
	return lines.map((cells) => cells.join('  ').trimEnd());
}

/** A number with thousands separators: `1,234`. */
export function count(number: number): string {
	return number.toLocaleString('en');
}

/** Bytes in millions: `1.3 MB`. */
export function megabytes(bytes: number): string {
	return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Bytes, readable and exact: `1.3 MB (1,314,159 bytes)`. */
export function size(bytes: number): string {
	const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
	const short = (bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1);
	return `${short} ${UNITS[power]} (${count(bytes)} bytes)`;
}

/** Milliseconds in seconds: `0.3 s`. */
export function seconds(milliseconds: number): string {
	return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The time between two ISO dates, in seconds: `0.3 s`. */
export function duration(from: string, to: string): string {
	return seconds(Date.parse(to) - Date.parse(from));
}

/** An ISO date in UTC to the minute: `2026-11-23 05:06`. */
export function minute(time: string): string {
	return time.slice(0, 16).replace('T', ' ');
}

/** A text quoted for a shell, if it needs quotes. */
export function shellWord(text: string): string {
	return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * A text without the characters that a terminal would obey or that would reorder its letters: control
 * characters, direction marks, line ends.
 */
export function printable(text: string): string {
	return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
