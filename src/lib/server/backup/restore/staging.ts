import { MAX_COLUMNS } from '../limits.ts';
import { foldCase, quoteName } from '../sql.ts';
import type { RowsHead } from './parse.ts';
import type { Reference } from './references.ts';
import type { Statement } from './statements.ts';
import type { Survey } from './survey.ts';
import type { PlacedStatement } from './transactions.ts';

/** The rows of one table, kept unchanged in a table without types and constraints. */
export interface Stage {
	/** The table that the rows belong to. */
	table: string;
	/** The table that holds them until then. */
	name: string;
	columns: string[];
}

/** An INSERT that names its columns. */
export type NamedRows = RowsHead & { columns: string[] };

/** Which rows are staged, and until when. */
export interface StagingPlan {
	/** Names of tables, folded. */
	tables: Set<string>;
	/**
	 * The number of the last statement with rows of these tables, or with rows that they refer to.
	 */
	moveAfter: number;
}

/**
 * Finds the tables whose rows cannot be committed part by part in the order of the file, because
 * they refer to rows of their own table, to rows that come later, or to rows that are staged
 * themselves: D1 checks foreign keys at the end of each transaction.
 */
export function planStaging(
	references: Reference[],
	rowStatements: Survey['rowStatements'],
): StagingPlan {
	const staged = new Set<string>();
	const pairs = references.map(({ child, parent }) => [foldCase(child), foldCase(parent)]);
	for (let before = -1; before !== staged.size;) {
		before = staged.size;
		for (const [child = '', parent = ''] of pairs) {
			const [rows, needed] = [rowStatements.get(child), rowStatements.get(parent)];
			if (!rows || !needed) continue;
			if (staged.has(parent) || needed.last >= rows.first) staged.add(child);
		}
	}
	const involved = pairs.filter(([child = '']) => staged.has(child)).flat();
	const last = involved.map((name) => rowStatements.get(name)?.last ?? 0);
	return { tables: staged, moveAfter: Math.max(0, ...last) };
}

/** Stages rows: puts them into tables of their own, to be moved into place later. */
export class Staging {
	readonly #prefix: string;
	readonly #stages = new Map<string, Stage>();

	/** The names of all stages begin with `prefix`. */
	constructor(prefix: string) {
		this.#prefix = prefix;
	}

	get all(): Stage[] {
		return [...this.#stages.values()];
	}

	/** The statements that stage the rows of an INSERT; the first time they also create the stage. */
	stage({ sql, ...place }: Statement, head: NamedRows): PlacedStatement[] {
		const key = foldCase(head.table);
		const known = this.#stages.get(key);
		const stage = known ?? this.#newStage(head);
		this.#stages.set(key, stage);
		const rows = `INSERT INTO ${quoteName(stage.name)} (${columnList(stage)}) VALUES${sql.slice(head.values)}`;
		const statements = known
			? [rows]
			: [`CREATE TABLE ${quoteName(stage.name)} (${columnList(stage)})`, rows];
		return statements.map((staged) => ({ ...place, sql: staged, table: head.table }));
	}

	#newStage({ table, columns }: NamedRows): Stage {
		return { table, name: `${this.#prefix}${this.#stages.size + 1}`, columns };
	}
}

/** Whether a stage can hold rows with these columns: the rowid may be one column too many. */
export function fitsStage(columns: string[]): boolean {
	return columns.length <= MAX_COLUMNS;
}

/** The statement that copies the rows of a stage to their table, in their order. */
export function putBack(stage: Stage): string {
	const columns = columnList(stage);
	return `INSERT INTO ${quoteName(stage.table)} (${columns}) SELECT ${columns} FROM ${quoteName(stage.name)} NOT INDEXED`;
}

/** The statement that drops a stage. */
export function dropped(stage: Stage): string {
	return `DROP TABLE ${quoteName(stage.name)}`;
}

function columnList({ columns }: Stage): string {
	return columns.map(quoteName).join(',');
}
