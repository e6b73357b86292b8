import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { settings } from '../../../../../tests/databases/settings.ts';
import { cases } from '../../../../../tests/databases/cases.ts';
import { script } from '../../../../../tests/databases/sql.ts';
import { splitLikeWrangler } from '../../../../../tests/restore.ts';
import { readStatements, StatementReader } from './statements.ts';

/** The statements of a text that arrives in chunks of the given sizes in turn. */
function split(text: string, sizes: number[] = [1 << 20]): string[] {
	const bytes = new TextEncoder().encode(text);
	const reader = new StatementReader();
	const found: string[] = [];
	for (let at = 0, turn = 0; at < bytes.length; turn++) {
		const size = sizes[turn % sizes.length] ?? 1;
		found.push(...reader.push(bytes.subarray(at, at + size)).map(({ sql }) => sql));
		at += size;
	}
	reader.end();
	return found;
}

const trigger = `CREATE TRIGGER "t;" AFTER INSERT ON t WHEN new.a = ';' BEGIN
	-- END; not yet
	UPDATE t SET a = CASE WHEN 1 THEN 'END;' ELSE "END" END;
	/* ; END; */ SELECT 1;
END;`;

const texts: [string, string, string[]][] = [
	['nothing', '', []],
	['only white space and comments', ' \n-- a;\n/* b; */\t', []],
	['two statements', 'SELECT 1; SELECT 2;', ['SELECT 1;', 'SELECT 2;']],
	['empty statements', ';;\n; SELECT 1;;', ['SELECT 1;']],
	[
		'semicolons in quotes',
		`SELECT ';', "a;b", [c;], \`d;\`;`,
		[`SELECT ';', "a;b", [c;], \`d;\`;`],
	],
	['doubled quotes', `SELECT 'it''s;', "a"";"; X;`, [`SELECT 'it''s;', "a"";";`, 'X;']],
	['comments inside', 'SELECT 1 -- ;\n+ /* ; */ 2;', ['SELECT 1 -- ;\n+ /* ; */ 2;']],
	[
		'a comment of stars',
		'SELECT /***/ 1; /* **** / * */ SELECT 2;',
		['SELECT /***/ 1;', 'SELECT 2;'],
	],
	['signs that do not start a comment', 'SELECT 1-2, 6/3, 2*3;', ['SELECT 1-2, 6/3, 2*3;']],
	['quotes in comments', `-- it's\nSELECT 1; /* it's */ SELECT 2;`, ['SELECT 1;', 'SELECT 2;']],
	['a trigger', `${trigger} SELECT 1;`, [trigger, 'SELECT 1;']],
	[
		'a temporary trigger',
		'create temp trigger t x; begin; end; X;',
		['create temp trigger t x; begin; end;', 'X;'],
	],
	['a transaction', 'BEGIN; SELECT 1; END;', ['BEGIN;', 'SELECT 1;', 'END;']],
	[
		'names like keywords',
		'SELECT create_trigger; SELECT "create";',
		['SELECT create_trigger;', 'SELECT "create";'],
	],
	['letters beyond ASCII', `SELECT 'ü🚣'; SELECT ü;`, [`SELECT 'ü🚣';`, 'SELECT ü;']],
];

describe('statements', () => {
	test.for(texts)('%s', ([, text, expected]) => {
		expect(split(text)).toEqual(expected);
	});

	test.for(texts)('%s, byte by byte', ([, text, expected]) => {
		expect(split(text, [1])).toEqual(expected);
	});

	test('are the same wherever the chunks are split', () => {
		const all = texts.map(([, text]) => text).join('\n');
		const whole = split(all);
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
				expect(split(all, sizes)).toEqual(whole);
			}),
			settings(1000).check,
		);
	});

	test('are those that wrangler finds in every named database', async () => {
		for (const { statements } of cases) {
			const text = script(statements);
			if (text.includes('BEGIN TRANSACTION')) continue; // wrangler cuts such words out of data
			const theirs = await splitLikeWrangler(text);
			const plain = (sql: string) => sql.replace(/[;\s]*$/, '');
			expect(split(text, [1000]).map(plain)).toEqual(theirs.map(plain));
		}
	});

	test('know their position', () => {
		const text = 'SELECT 1; -- ü\n\tSELECT 2;';
		const reader = new StatementReader();
		const bytes = new TextEncoder().encode(text);
		const found = [...bytes].flatMap((byte) => reader.push(Uint8Array.of(byte)));
		expect(found).toEqual([
			{ sql: 'SELECT 1;', number: 1, start: 0, end: 9 },
			{ sql: 'SELECT 2;', number: 2, start: 17, end: 26 },
		]);
		expect(new TextDecoder().decode(bytes.subarray(17, 26))).toBe('SELECT 2;');
	});

	test('longer than a chunk are joined', () => {
		const sql = `SELECT '${'long; '.repeat(500_000)}';`;
		expect(split(sql, [65_536])).toEqual([sql]);
	});
});

describe('the last comment', () => {
	test.for(['\n', ''])('is recognized with "%s" after it', (end) => {
		const reader = new StatementReader();
		reader.push(new TextEncoder().encode(`-- first\nSELECT 1 -- inside\n;\n-- last one${end}`));
		reader.end();
		expect(reader.lastComment).toBe('last one');
	});
});

describe('invalid SQL text', () => {
	test.for(['SELECT 1', `SELECT 'a;`, 'SELECT 1; /* open', 'CREATE TRIGGER t BEGIN SELECT 1; END'])(
		'is refused without an end: %s',
		(text) => {
			expect(() => split(text)).toThrow(expect.objectContaining({ code: 'sql_incomplete' }));
		},
	);

	test.for([
		['bytes that are not UTF-8', [0x53, 0x27, 0xff, 0x27, 0x3b]],
		['a NUL', [0x53, 0x27, 0, 0x27, 0x3b]],
	] as const)('%s', ([, bytes]) => {
		expect(() => new StatementReader().push(Uint8Array.from(bytes))).toThrow(
			expect.objectContaining({ code: 'sql_not_text', status: 422 }),
		);
	});

	test('UTF-16, as PowerShell writes it', async () => {
		const source = {
			async *open() {
				yield Uint8Array.of(0xff, 0xfe, 0x53, 0);
			},
		};
		await expect(readStatements(source).next()).rejects.toMatchObject({ code: 'sql_not_text' });
	});
});
