import { messageOf } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { retrying, type Row, type SqlDatabase } from '../database.ts';
import type { Core } from '../format/digest.ts';
import { foreignKeyMismatch } from '../restore/references.ts';
import { notOfD1, quoteName, quoteText } from '../sql.ts';
import { type FullText, parseFullText } from '../virtual-table.ts';

/** How many rows that refer to nothing are named. */
const MAX_ORPHANS = 10;

/** Values are left to the digests, because a row may have broken a constraint before its backup. */
const QUICK_CHECK = `SELECT quick_check AS problem FROM pragma_quick_check WHERE quick_check <> 'ok'
	AND quick_check NOT LIKE '% value in %' AND quick_check NOT LIKE 'CHECK constraint %'`;

/**
 * What SQLite finds wrong with a restored database, as sentences: its structure, rows whose foreign
 * key refers to nothing, and full-text indexes that differ from their texts. `core` is what its
 * backup says about it, null if only some tables were restored. Throws what the database throws.
 */
export async function checkDatabase(
	database: SqlDatabase,
	core: Core | null,
	sleep: Sleep,
): Promise<string[]> {
	const [problems = [], tables = []] = await select(database, sleep, [
		QUICK_CHECK,
		`SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL`,
	]);
	const checks = [
		...problems.map(({ problem }) => `quick_check: ${problem}`),
		...(await checkForeignKeys(database, sleep)),
	];
	for (const { name, sql } of tables) {
		const fullText = parseFullText(String(sql));
		if (!fullText) continue;
		const index = { name: String(name), isWhole: isWhole(fullText, String(name), core) };
		checks.push(...(await checkIndex(database, sleep, index)));
	}
	return checks;
}

/** Whether an index has all texts, those of its own or of another table. */
function isWhole({ content }: FullText, name: string, core: Core | null): boolean {
	if (content !== 'external') return content === 'own';
	const { searches = [], tables = [] } = core ?? {};
	const has = (list: { name: string }[]) => list.some((each) => each.name === name);
	return has(searches) && !has(tables); // otherwise it was filled with rows of its own
}

/**
 * Names rows that refer to nothing. A table with a foreign key that SQLite cannot check, because
 * the parent's key has no UNIQUE index, is left out.
 */
async function checkForeignKeys(database: SqlDatabase, sleep: Sleep): Promise<string[]> {
	const unchecked: string[] = [];
	for (;;) {
		const names = unchecked.map(quoteText).join(',');
		const source = `FROM sqlite_schema m JOIN pragma_foreign_key_check(m.name) f
			JOIN pragma_foreign_key_list(m.name) k ON k.id = f.fkid AND k.seq = 0
			WHERE m.type = 'table' AND ${notOfD1('m.name')} AND m.name NOT IN (${names})`;
		try {
			const [orphans = [], [total] = []] = await select(database, sleep, [
				`SELECT m.name AS child, CAST(f.rowid AS TEXT) AS id, f.parent, k."from" ${source} LIMIT ${MAX_ORPHANS}`,
				`SELECT count(*) AS n ${source}`,
			]);
			const more = Number(total?.['n']) - orphans.length;
			const rest = more > 0 ? [`foreign_key_check: ${more} more rows refer to nothing.`] : [];
			return [...orphans.map(orphan), ...rest];
		} catch (error) {
			const [child] = foreignKeyMismatch(error);
			if (child === undefined || unchecked.includes(child)) throw error;
			unchecked.push(child);
		}
	}
}

function orphan({ child, id, parent, from }: Row): string {
	const row = id === null ? 'A row' : `The row with rowid ${id}`;
	return `foreign_key_check: ${row} of ${JSON.stringify(child)} refers by ${JSON.stringify(from)} to a row of ${JSON.stringify(parent)} that does not exist.`;
}

/**
 * Compares an FTS5 index with itself, and with the texts if it has all of them (SQLite: FTS5, "The
 * 'integrity-check' Command").
 */
async function checkIndex(
	database: SqlDatabase,
	sleep: Sleep,
	{ name, isWhole }: { name: string; isWhole: boolean },
): Promise<string[]> {
	const table = quoteName(name);
	const command = `INSERT INTO ${table} (${table},rank) VALUES ('integrity-check',${isWhole ? 1 : 0})`;
	try {
		await select(database, sleep, [command]);
		return [];
	} catch (error) {
		if (!/malformed|SQLITE_CORRUPT/.test(messageOf(error))) throw error;
		const what = isWhole ? 'the texts that it is about' : 'itself';
		return [`integrity-check: the index ${JSON.stringify(name)} does not match ${what}.`];
	}
}

async function select(database: SqlDatabase, sleep: Sleep, queries: string[]): Promise<Row[][]> {
	const { results } = await retrying(() => database.batch(queries), sleep);
	return results.map(({ results: rows }) => rows);
}
