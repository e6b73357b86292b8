/**
 * The text of wrangler.toml, wrangler.json or wrangler.jsonc in which the D1 database of a binding has
 * this id; null if its entry is not found. Everything else stays as it is.
 */
export function setDatabaseId(text: string, binding: string, id: string): string | null {
	const isJson = /^\s*(?:\{|\/[/*])/.test(text);
	const [entries, own] = isJson ? [jsonEntries(text), JSON_ID] : [tomlEntries(text), TOML_ID];
	const quoted = `"${binding}"`;
	const entry = entries.find(({ body }) =>
		(isJson ? /"binding"\s*:\s*("[^"]*")/ : /^\s*binding\s*=\s*(["'][^"']*["'])/m)
			.exec(body)?.[1]
			?.replaceAll("'", '"')
			.includes(quoted),
	);
	if (!entry) return null;
	const { start, body } = entry;
	const other = own.test(body)
		? body.replace(own, (_, before: string) => `${before}"${id}"`)
		: withId(body, isJson, id);
	return text.slice(0, start) + other + text.slice(start + body.length);
}

const TOML_ID = /^(\s*database_id\s*=\s*)(["'])[^"'\n]*\2/m;
const JSON_ID = /("database_id"\s*:\s*)("[^"\n]*"|null)/;

interface Entry {
	start: number;
	body: string;
}

/** The tables `[[d1_databases]]`, each up to the next table. */
function tomlEntries(text: string): Entry[] {
	return [...text.matchAll(/^[ \t]*\[\[d1_databases\]\][^\n]*\n(?:(?![ \t]*\[)[^\n]*\n?)*/gm)].map(
		({ index, 0: body }) => ({ start: index, body }),
	);
}

/** The objects in the first list `d1_databases`, in which nothing is nested. */
function jsonEntries(text: string): Entry[] {
	const list = /"d1_databases"\s*:\s*\[/.exec(text);
	if (!list) return [];
	const from = list.index + list[0].length;
	const [inside = ''] = /^(?:[^\]"]|"[^"\n]*")*/.exec(text.slice(from)) ?? [];
	return [...inside.matchAll(/\{[^{}]*\}/g)].map(({ index, 0: body }) => ({
		start: from + index,
		body,
	}));
}

/** The id on a line of its own below the binding's. */
function withId(body: string, isJson: boolean, id: string): string {
	if (!isJson) return body.replace(/^([ \t]*)binding[^\n]*\n?/m, `$&$1database_id = "${id}"\n`);
	return body.replace(/(\s*)"binding"\s*:\s*"[^"]*"/, `$&,$1"database_id": "${id}"`);
}
