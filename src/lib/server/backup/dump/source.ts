import { foldCase, unquote } from '../sql.ts';
import { tokenize } from '../tokenizer.ts';
import type { Source } from './full-text.ts';
import type { Catalog, FullTextTable } from './schema.ts';

/** What the schema says about the table or view that an FTS5 table indexes. */
export function sourceOf(catalog: Catalog, table: FullTextTable): Source {
	return {
		hasRowids: hasRowids(catalog, table),
		isPlain: !readsVirtual(catalog, foldCase(table.options.source)),
	};
}

/** False for a view, of which nothing is known. */
function hasRowids({ parents }: Catalog, { options }: FullTextTable): boolean {
	const source = parents.get(foldCase(options.source));
	if (!source) return false;
	const id = foldCase(options.sourceRowid);
	if (source.rowidAlias !== null && foldCase(source.rowidAlias) === id) return true;
	return !source.columns.some((column) => foldCase(column) === id);
}

/** Whether this is a virtual table, or a view whose definition names one, itself or by other views. */
function readsVirtual({ objects }: Catalog, source: string): boolean {
	const sources = new Map(
		objects
			.filter(({ type, virtual }) => type === 'view' || virtual)
			.map((object) => [foldCase(object.name), object]),
	);
	const names = new Set([source]);
	for (const name of names) {
		const { virtual, sql = '' } = sources.get(name) ?? {};
		if (virtual) return true;
		// A set that grows is walked to its end.
		for (const { text } of tokenize(sql)) names.add(foldCase(unquote(text)));
	}
	return false;
}
