import type { SqlDatabase } from '../database.ts';
import { MAX_COLUMNS } from '../limits.ts';
import type { Reference } from './contents.ts';
import type { Head } from './parse.ts';
import { foldCase, quoteName, quoteText } from '../sql.ts';
import { forTarget } from './rewrite.ts';
import type { Statement } from './statements.ts';
import type { Step } from './transactions.ts';
import type { Survey } from './survey.ts';

type Rows = Head & { kind: 'rows' };

/** Rows of one table, put aside in a table without types and constraints, and so to the letter. */
export interface Stage {
	/** The table that the rows belong to. */
	table: string;
	/** The table that holds them meanwhile. */
	name: string;
	columns: string[];
}

/** Which rows are put aside, and until when. */
export interface StagingPlan {
	/** Names of tables, folded. */
	tables: Set<string>;
	/** The number of the last statement with rows of these tables, or with rows that they point at. */
	moveBehind: number;
}

/**
 * The tables whose rows cannot be committed part by part in the order of the file:
 * they point at rows of their own table, at rows that come later, or at rows that are put aside
 * themselves. D1 checks foreign keys at the end of each transaction at the latest.
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
	return { tables: staged, moveBehind: Math.max(0, ...last) };
}

/** Puts rows of tables aside. */
export class Staging {
	readonly #database: SqlDatabase;
	readonly #survey: Survey;
	readonly #prefix: string;
	readonly #stages = new Map<string, Stage>();

	/** `prefix`: how the names of the tables begin that hold the rows. */
	constructor(database: SqlDatabase, survey: Survey, prefix: string) {
		this.#database = database;
		this.#survey = survey;
		this.#prefix = prefix;
	}

	get all(): Stage[] {
		return [...this.#stages.values()];
	}

	/** The steps that put the rows of an INSERT aside; the first time they make the stage as well. */
	async steps({ sql, ...place }: Statement, head: Rows): Promise<Step[]> {
		const key = foldCase(head.table);
		const known = this.#stages.get(key);
		const stage = known ?? (await this.#newStage(head));
		this.#stages.set(key, stage);
		const rows = `INSERT INTO ${quoteName(stage.name)} (${columnList(stage)}) VALUES${sql.slice(head.values)}`;
		const statements = [
			...(known ? [] : [`CREATE TABLE ${quoteName(stage.name)} (${columnList(stage)})`]),
			forTarget(rows, this.#survey),
		];
		return statements.map((statement) => ({ ...place, statement, table: head.table }));
	}

	async #newStage({ table, columns }: Rows): Promise<Stage> {
		const name = `${this.#prefix}${this.#stages.size + 1}`;
		return { table, name, columns: columns ?? (await this.#columnsOf(table)) };
	}

	/** Columns that an INSERT without names means: all but generated ones (SQLite: INSERT). */
	async #columnsOf(table: string): Promise<string[]> {
		const { results } = await this.#database.batch([
			`SELECT name FROM pragma_table_xinfo(${quoteText(table)}) WHERE hidden = 0 ORDER BY cid`,
		]);
		return (results[0]?.results ?? []).map(({ name }) => String(name));
	}
}

/** Whether a stage can hold such rows. */
export function fitsStage({ columns }: { columns: string[] | null }): boolean {
	return columns === null || columns.length <= MAX_COLUMNS;
}

/** Copies the rows of a stage to where they belong, in their order. */
export function putBack(stage: Stage): string {
	const columns = columnList(stage);
	return `INSERT INTO ${quoteName(stage.table)} (${columns}) SELECT ${columns} FROM ${quoteName(stage.name)} NOT INDEXED`;
}

/** Removes a stage. */
export function dropped(stage: Stage): string {
	return `DROP TABLE ${quoteName(stage.name)}`;
}

function columnList({ columns }: Stage): string {
	return columns.map(quoteName).join(',');
}
