import * as v from 'valibot';
import type { Core } from './digest.ts';
import { Count, Sha256 } from './fields.ts';

/*
 * The last line of a backup's SQL file: a comment with the core of the manifest, so that the file
 * can be verified on its own (docs/format.md).
 */

const START = 'lifeboat ';

/** As entries, because valibot's objects and records drop names such as `constructor`. */
const Tables = v.pipe(
	v.custom<object>((tables) => typeof tables === 'object' && tables !== null),
	v.transform((tables) => Object.entries(tables)),
	v.array(v.tuple([v.string(), v.object({ rows: Count, sha256: Sha256 })])),
	v.transform((entries) => entries.map(([name, table]) => ({ name, ...table }))),
);
const Searches = v.pipe(
	v.array(v.tuple([v.string(), Count])),
	v.transform((entries) => entries.map(([name, rows]) => ({ name, rows }))),
);
const TrailerSchema = v.object({
	schema: v.object({ objects: Count, sha256: Sha256 }),
	tables: Tables,
	searches: v.optional(Searches),
});

/** The last line, with its line end. */
export function printTrailer({ schema, tables, searches = [] }: Core): string {
	const core = {
		schema,
		tables: Object.fromEntries(tables.map(({ name, rows, sha256 }) => [name, { rows, sha256 }])),
		searches: searches.length > 0 ? searches.map(({ name, rows }) => [name, rows]) : undefined,
	};
	return `-- ${START}${JSON.stringify(core)}\n`;
}

/** What the last comment of a file says, given without its hyphens; null if it is not a trailer. */
export function parseTrailer(comment: string | null): Core | null {
	const json = comment?.startsWith(START) ? comment.slice(START.length) : '';
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), TrailerSchema), json);
	return result.success ? result.output : null;
}
