/** Rows of text under their heads, numbers aligned right. A column with no values is left out. */
export function formatColumns(heads: string[], rows: string[][]): string {
	const used = heads.flatMap((_, at) => (rows.some((row) => row[at]) ? [at] : []));
	const cells = [heads, ...rows].map((row) => used.map((at) => row[at] ?? ''));
	const widths = used.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
	const isNumeric = used.map((_, at) =>
		cells.slice(1).every((row) => /^[-+\d.]*$/.test(row[at] ?? '')),
	);
	const lines = cells.map((row) =>
		row.map((cell, at) => {
			const width = widths[at] ?? 0;
			return isNumeric[at] ? cell.padStart(width) : cell.padEnd(width);
		}),
	);
	return lines.map((line) => line.join('  ').trimEnd()).join('\n');
}

/** A number with this many decimal places. Empty if the number is unknown. */
export function fixed(value: number | null | undefined, digits = 0): string {
	return value === undefined || value === null || Number.isNaN(value) ? '' : value.toFixed(digits);
}
