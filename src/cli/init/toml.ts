import { parse, patch } from '@decimalturn/toml-patch';
import { applyChange, type Change, isValues, type Values, valueAt } from './change.ts';

/**
 * A TOML text with some settings changed; its comments and its layout stay. What is new goes to places of our
 * own choice, because the patch would put it between a table and the comment above that.
 */
export function editToml(text: string, changes: readonly Change[]): string {
	const eol = text.includes('\r\n') ? '\r\n' : '\n';
	return changes.reduce((now, change) => {
		const values = parse(now) as Values;
		const { path, value, isItem, after } = change;
		if (valueAt(values, path) !== undefined) {
			return patch(now, applyChange(values, change), { bracketSpacing: isValues(value) });
		}
		if (isItem && isValues(value)) return withTable(now, path, value, eol);
		const json = JSON.stringify(isItem ? [value] : value);
		return withLine(now, `${path.join('.')} = ${json}`, after, eol);
	}, text);
}

/** A new list of tables needs no place among the others: at the end it is always right. */
function withTable(text: string, path: readonly string[], table: Values, eol: string): string {
	const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
	const end = text.endsWith('\n') || text === '' ? '' : eol;
	return `${text}${end}${['', `[[${path.join('.')}]]`, ...lines, ''].join(eol)}`;
}

/** A new setting goes below another one, or to the top: before any table. */
function withLine(text: string, line: string, after: string, eol: string): string {
	const [above] =
		new RegExp(`^(?:(?!\\s*\\[)[^\\n]*\\n)*?${after}\\s*=[^\\r\\n]*`).exec(text) ?? [];
	if (above === undefined) return `${line}${eol}${text}`;
	return `${above}${eol}${line}${text.slice(above.length)}`;
}
