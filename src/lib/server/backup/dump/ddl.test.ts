import { describe, expect, test } from 'vitest';
import { statement, textWarnings } from './ddl.ts';

test.for([
	['CREATE VIEW v AS SELECT 1', 'CREATE VIEW v AS SELECT 1;\n'],
	['CREATE VIEW v AS SELECT 1 -- one', 'CREATE VIEW v AS SELECT 1 -- one\n;\n'],
	["CREATE VIEW v AS SELECT '--'", "CREATE VIEW v AS SELECT '--';\n"],
	['CREATE VIEW "--" AS SELECT 1', 'CREATE VIEW "--" AS SELECT 1;\n'],
	['CREATE VIEW v AS -- all\nSELECT 1', 'CREATE VIEW v AS -- all\nSELECT 1;\n'],
	['CREATE VIEW v AS SELECT 1 /* one */', 'CREATE VIEW v AS SELECT 1 /* one */;\n'],
	['CREATE VIEW v AS SELECT 1 /* one', 'CREATE VIEW v AS SELECT 1 /* one*/;\n'],
	['CREATE VIEW v AS SELECT 1 /* -- one', 'CREATE VIEW v AS SELECT 1 /* -- one*/;\n'],
	['CREATE VIEW v AS SELECT 1 -- /* one', 'CREATE VIEW v AS SELECT 1 -- /* one\n;\n'],
] as const)('%s ends as a statement', ([sql, expected]) => {
	expect(statement({ sql })).toBe(expected);
});

describe('a warning', () => {
	const warnings = (sql: string) =>
		textWarnings({ type: 'view', name: 'v', table: 'v', sql }).join('\n');

	test.for([
		['CREATE VIEW v AS\r\nSELECT 1', 'carriage returns'],
		["CREATE VIEW v AS SELECT 'BEGIN TRANSACTION'", 'BEGIN TRANSACTION'],
		['CREATE VIEW v AS SELECT 4\n/\n2', 'end of a statement'],
		['CREATE VIEW v AS SELECT 4 AS\n go \n', 'end of a statement'],
		['CREATE VIEW v AS SELECT 1 /*', 'unclosed comment'],
	] as const)('is given for %j', ([sql, words]) => {
		expect(warnings(sql)).toContain(words);
	});

	test.for(["CREATE VIEW v AS SELECT '\n/\n'", 'CREATE VIEW v AS\nSELECT 4 / 2 -- half\n'])(
		'is not given for %j',
		(sql) => {
			expect(warnings(sql)).toBe('');
		},
	);
});
