import * as v from 'valibot';
import { Count } from '../format/fields.ts';
import { InspectionSchema } from './inspect.ts';

/** A table of which a part has been written. */
const StartedTableSchema = v.object({
	name: v.string(),
	place: v.union([
		v.object({
			position: v.object({ key: v.nullable(v.string()), offset: Count }),
			limit: Count,
			form: v.picklist(['quick', 'counted', 'exact']),
		}),
		v.object({ page: Count, row: Count, copies: Count }),
	]),
	digest: v.object({ rows: Count, bytes: Count, chain: v.string(), rest: v.string() }),
	open: v.object({
		sql: v.string(),
		rows: Count,
		slice: v.object({ rows: Count, bytes: Count }),
	}),
});
export type StartedTable = v.InferOutput<typeof StartedTableSchema>;

/** Where a dump stopped: everything that the next step needs to continue, as JSON. */
export const CheckpointSchema = v.object({
	/** Identity of the schema at the start of the dump. */
	schema: v.string(),
	/** Whether the file has created the table for the pieces of long values. */
	scratch: v.boolean(),
	inspection: InspectionSchema,
	/** Options of FTS5 tables, as statements; null once the file has the virtual tables. */
	fullTextOptions: v.nullable(v.array(v.string())),
	/** The stage with the pages; null if they are read from the database itself. */
	stage: v.nullable(
		v.object({
			owner: v.string(),
			tables: v.array(v.object({ place: Count, first: Count, pages: Count })),
		}),
	),
	/** Tables that are complete. */
	tables: v.array(v.object({ name: v.string(), rows: Count, bytes: Count, sha256: v.string() })),
	/** The next table, if a part of it has been written. */
	current: v.nullable(StartedTableSchema),
});
export type Checkpoint = v.InferOutput<typeof CheckpointSchema>;
