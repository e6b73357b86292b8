/** A table with a line under its heads; columns whose cells are numbers stand on the right. */
export function formatTable(heads: string[], rows: (string | number)[][]): string {
	const texts = rows.map((row) =>
		row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)),
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
	return lines.map((cells) => cells.join('  ').trimEnd()).join('\n');
}

/** A number with its thousands apart. */
export function count(number: number): string {
	return number.toLocaleString('en');
}

/** Bytes in millions: `1.3 MB`. */
export function megabytes(bytes: number): string {
	return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Milliseconds in seconds: `0.3 s`. */
export function seconds(milliseconds: number): string {
	return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A word as a shell takes it. */
export function shellWord(text: string): string {
	return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
