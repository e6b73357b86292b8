import { Random } from '../data/random.ts';
import type { RowCounts } from '../data.ts';

/** What happens to the database between a full backup and the next one. */
export interface Case {
	name: string;
	/** Statements, given the rows of each table at first. */
	change(counts: RowCounts): string[];
}

/** The tables with most of the rows, whose ids count up from 1: their other columns, and a change to a row. */
const TABLES = {
	posts: {
		rest: 'author_id, slug, title, body, tags, preview, score, views, created_at, published_at, deleted_at',
		set: 'views = views + 1',
	},
	comments: {
		rest: 'post_id, author_id, parent_id, body, likes, created_at, edited_at, deleted_at',
		set: 'likes = likes + 1',
	},
	events: {
		rest: 'at, kind, user_id, path, referrer, country, seconds, properties',
		set: "path = path || '?page=2'",
	},
	prices: {
		rest: 'product_id, currency, amount, list_amount, discount, supplier, valid_from, valid_until, checked_at',
		set: 'amount = amount + 1',
	},
};

export const CASES: Case[] = [
	{ name: 'nothing changed', change: () => [] },
	{ name: '1 % appended', change: (counts) => appended(counts, 0.01) },
	{ name: '1 % in the newest 5 %', change: (counts) => updated(counts, 0.01, 0.95) },
	{ name: '0.1 % scattered', change: (counts) => updated(counts, 0.001, 0) },
	{ name: '1 % scattered', change: (counts) => updated(counts, 0.01, 0) },
];

/** Copies rows from the middle of each table to its end. */
function appended(counts: RowCounts, share: number): string[] {
	return Object.entries(TABLES).map(([table, { rest }]) => {
		const rows = counts[table] ?? 0;
		const first = Math.round(rows / 2);
		const last = first + Math.round(rows * share) - 1;
		const newest = `(SELECT max(id) FROM ${table})`;
		return `INSERT INTO ${table} SELECT ${newest} + id - ${first - 1}, ${rest} FROM ${table} WHERE id BETWEEN ${first} AND ${last}`;
	});
}

/** Changes this share of all rows, at random among those behind the given share of each table. */
function updated(counts: RowCounts, share: number, behind: number): string[] {
	const random = new Random();
	return Object.entries(TABLES).map(([table, { set }]) => {
		const rows = counts[table] ?? 0;
		const first = Math.floor(rows * behind) + 1;
		const ids = new Set<number>();
		while (ids.size < Math.round(rows * share)) ids.add(first + random.below(rows - first + 1));
		const list = JSON.stringify([...ids]);
		return `UPDATE ${table} SET ${set} WHERE id IN (SELECT value FROM json_each('${list}'))`;
	});
}
