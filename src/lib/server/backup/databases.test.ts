import { env } from 'cloudflare:workers';
import { reset } from 'cloudflare:test';
import { test } from 'vitest';
import fc from 'fast-check';
import { databases } from '../../../../tests/databases/generate.ts';
import { apply } from '../../../../tests/databases/sql.ts';
import { snapshot, differences } from '../../../../tests/databases/compare.ts';
import { d1 } from '../../../../tests/databases/sources.ts';

test('coverage', { timeout: 600_000 }, async () => {
	const n = 600;
	const counts: Record<string, number> = {};
	const add = (k: string, v = 1) => {
		counts[k] = (counts[k] ?? 0) + v;
	};
	for (const { statements } of fc.sample(databases(), { numRuns: n, seed: 77 })) {
		await reset();
		await apply(env.DB, statements);
		await apply(env.COPY, statements);
		const a = await snapshot(d1(env.DB));
		const d = differences(a, await snapshot(d1(env.COPY)));
		if (d.length) console.log('DIFF', d);
		const all = statements.map((s) => s.map((p) => (typeof p === 'number' ? '?' : p)).join(''));
		const text = all.join('\n');
		for (const re of [
			'WITHOUT ROWID',
			'STRICT',
			'AUTOINCREMENT',
			'PRIMARY KEY DESC',
			'REFERENCES',
			'ON DELETE CASCADE',
			'fts5|FTS5',
			"content=''",
			'content="',
			"'rebuild'",
			'CREATE VIEW',
			'no such table',
			'INSTEAD OF',
			'CREATE TRIGGER',
			'VIRTUAL\\b',
			'STORED',
			'CHECK',
			'UNIQUE',
			'CREATE UNIQUE INDEX',
			'json_valid',
			'group_concat',
			'ALTER TABLE',
			'WITH RECURSIVE n\\(i\\).*INSERT',
			'UPDATE OR IGNORE',
			'DELETE FROM .* LIMIT',
			'UPDATE sqlite_sequence',
			'"rowid" ',
			'"_rowid_" ',
			'"oid" ',
			'COLLATE NOCASE',
			'ANALYZE',
			'rank\\) VALUES',
			'\\(""|, ""',
			'9e999',
			'\\(0.0 \\* -1\\)',
		])
			if (new RegExp(re).test(text)) add(re);
		add('single inserts', all.filter((s) => s.startsWith('INSERT OR IGNORE')).length);
		add('statements', all.length);
		let rows = 0,
			cells = 0,
			big = 0,
			fk = 0,
			biggest = 0;
		for (const [h, s] of a)
			if (h.startsWith('rows')) {
				rows += s.rows.length;
				for (const r of s.rows)
					for (const c of r) {
						cells++;
						add('class ' + c[0]);
						if (c.length > 70000) big++;
						biggest = Math.max(biggest, c.length / 2);
					}
				if (s.columns.length >= 60) add('wide');
				if (s.rows.length >= 150) add('long tables');
				if (s.rows.length === 0) add('empty tables');
				add('tables');
			}
		add('rows', rows);
		add('cells', cells);
		add('big', big);
		if (biggest > 800000) add('megabyte');
		for (const [h, s] of a) if (h.startsWith('matches') && s.rows.length) add('non-empty matches');
		const longest = Math.max(...all.map((s) => new TextEncoder().encode(s).length));
		counts.longest = Math.max(counts.longest ?? 0, longest);
		void fk;
	}
	console.log(JSON.stringify(counts, null, 0).replaceAll(',', '\n'));
});
