import { describe, expect, it } from 'vitest';
import { env } from 'cloudflare:workers';
import {
	foldCase,
	isOfD1,
	isOfSqlite,
	isStatistics,
	notOfD1,
	notOfSqlite,
	quoteName,
	quoteText,
	unquote,
} from './sql.ts';

const NAMES = ['plain', 'two words', `it's "quoted"`, '[x]', '`', '', 'ÄÖ\n', 'select'];

describe('quoteName and quoteText', () => {
	it('are read back unchanged by SQLite', async () => {
		for (const name of NAMES) {
			const sql = `SELECT ${quoteText(name)} AS text, 1 AS ${quoteName(name || 'x')}`;
			const row = await env.DB.prepare(sql).first();
			expect(row).toEqual({ text: name, [name || 'x']: 1 });
		}
	});
});

describe('unquote', () => {
	it('reverses quoteName and quoteText', () => {
		for (const name of NAMES) {
			expect(unquote(quoteName(name))).toBe(name);
			expect(unquote(quoteText(name))).toBe(name);
		}
	});

	it.each([
		['`a``b`', 'a`b'],
		['[a"b]', 'a"b'],
		['bare', 'bare'],
		['', ''],
	])('reads %s as %s', (token, name) => {
		expect(unquote(token)).toBe(name);
	});
});

describe('foldCase', () => {
	it('folds the letters that SQLite folds, and no others', async () => {
		expect(foldCase('Ünï_CODE É')).toBe('Ünï_code É');
		const { same } = (await env.DB.prepare(
			`SELECT lower('Ünï_CODE É') = ${quoteText(foldCase('Ünï_CODE É'))} AS same`,
		).first<{ same: number }>()) ?? { same: 0 };
		expect(same).toBe(1);
	});
});

describe('reserved names', () => {
	it.each([
		['_cf_KV', true, false, false],
		['_CF_x', true, false, false],
		['_cfx', false, false, false],
		['sqlite_sequence', false, true, false],
		['SQLITE_stat1', false, true, true],
		['sqlitex', false, false, false],
		['users', false, false, false],
	])('%s', async (name, d1, sqlite, statistics) => {
		expect([isOfD1(name), isOfSqlite(name), isStatistics(name)]).toEqual([d1, sqlite, statistics]);
		const row = await env.DB.prepare(
			`SELECT ${notOfD1('n')} AS notD1, ${notOfSqlite('n')} AS notSqlite FROM (SELECT ?1 AS n)`,
		)
			.bind(name)
			.first();
		expect(row).toEqual({ notD1: Number(!d1), notSqlite: Number(!sqlite) });
	});
});
