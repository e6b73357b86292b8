import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
	localDifferences,
	operate,
	projectFolder,
	removeFolder,
	runLocally,
	sqlite3,
} from '../../../tests/operator.ts';

let project: string;
/** A folder for each test. */
let target: string;

beforeAll(() => void (project = projectFolder()));
afterAll(() => removeFolder(project));
beforeEach(() => {
	target = join(project, `target-${Math.random()}`);
	mkdirSync(target);
});
afterEach(() => removeFolder(target));

const restore = (args: string[]) => operate(project, 'restore', args);

describe('files of other tools', () => {
	const STATEMENTS = [
		'CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, parent REFERENCES parent (id), note TEXT)',
		'CREATE TABLE parent (id INTEGER PRIMARY KEY, content BLOB NOT NULL, price REAL)',
		`INSERT INTO parent VALUES (1, randomblob(200000), 1.25), (2, X'', -0.5), (9, X'00FF', 12.5)`,
		`INSERT INTO child (parent, note) VALUES (2, 'it''s; one'), (1, 'two\nlines'), (NULL, NULL)`,
		'CREATE UNIQUE INDEX one ON child (note) WHERE note IS NOT NULL',
		'CREATE VIEW joined AS SELECT note, price FROM child JOIN parent ON parent.id = child.parent',
		`CREATE TRIGGER logged AFTER INSERT ON child BEGIN UPDATE parent SET price = 0 WHERE id = new.parent; END`,
	];
	const QUERY = `SELECT * FROM parent; SELECT * FROM child; SELECT * FROM joined; SELECT * FROM sqlite_sequence;
		SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' ORDER BY name;`;

	test('from `wrangler d1 export --local` restore', async () => {
		const path = join(target, 'exported.sql');
		const source = join(project, '.wrangler/state');
		runLocally(source, ...STATEMENTS);
		execFileSync('wrangler', ['d1', 'export', 'DB', '--local', '--output', path], { cwd: project });
		expect(await restore([path, '--to', `local:${target}`])).toMatchObject({ code: 0 });
		expect(await localDifferences(source, target)).toEqual([]);
	});

	test('from `sqlite3 .dump` restore', async () => {
		const [source, path] = [join(target, 'source.db'), join(target, 'dump.sql')];
		sqlite3(source, `${STATEMENTS.join(';\n')};`);
		writeFileSync(path, sqlite3(source, '.dump'));
		const copy = join(target, 'copy.db');
		expect(await restore([path, '--to', copy])).toMatchObject({ code: 0 });
		expect(sqlite3(copy, QUERY)).toBe(sqlite3(source, QUERY));
		expect(await restore([path, '--to', `local:${target}`])).toMatchObject({ code: 0 });
		const rows = `SELECT id, hex(content) AS content, price FROM parent`;
		const [found] = runLocally(target, rows);
		const lines = found?.map((row) => Object.values(row).join('|')).join('\n');
		expect(lines).toBe(sqlite3(source, rows));
	});
});
