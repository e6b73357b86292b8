import { describe, expect, test } from 'vitest';
import { whyNotAllowed } from './allowed.ts';
import { parseHead } from './parse.ts';

const why = (sql: string) => whyNotAllowed(sql, parseHead(sql));

const JOINED = `(SELECT CAST(group_concat(value,'') AS TEXT) FROM "lifeboat_scratch" WHERE id BETWEEN 1 AND 3)`;

describe('what Lifeboat writes is allowed', () => {
	test.for([
		'PRAGMA foreign_keys=OFF;',
		'PRAGMA defer_foreign_keys=TRUE;',
		'DROP TABLE IF EXISTS "t";',
		'CREATE TABLE t (a);',
		'CREATE VIRTUAL /* of search */ TABLE f -- using rtree\n USING/**/fts5(x);',
		'CREATE VIRTUAL TABLE "main"."USING dbstat" using [rtree] (id, a, b);',
		`INSERT INTO "t" (rowid,"a") VALUES\n(1,NULL),\n(-2,'it''s; (x)'),\n(3,X''),\n(4,CAST(X'80' AS TEXT)),\n(5,-9e999);`,
		'INSERT INTO "t" ("a") VALUES\n(54/4611686018427387904.0/2.0*4.0),\n(1.5e-7);',
		`INSERT INTO "t" ("a","b") VALUES (1,${JOINED});`,
		`INSERT INTO "lifeboat_scratch" VALUES (1,X'00FF');`,
		`INSERT INTO "f" ("f",rank) VALUES ('rank','bm25(10.0)');`,
		'DELETE FROM "lifeboat_scratch_";',
		'DELETE FROM sqlite_sequence;',
	])('%s', (sql) => expect(why(sql)).toBe(null));
});

describe('what it does not write is not', () => {
	test.for([
		[`ATTACH 'x.db' AS x;`, 'ATTACH is not allowed'],
		[`aTtAcH/**/'x.db' AS x;`, 'ATTACH is not allowed'],
		['DETACH x;', 'DETACH is not allowed'],
		[`VACUUM INTO 'x.db';`, 'VACUUM is not allowed'],
		[`WITH x AS (SELECT load_extension('y')) SELECT * FROM x;`, 'WITH is not allowed'],
		['UPDATE users SET admin=1;', 'UPDATE is not allowed'],
		['DELETE FROM users;', 'DELETE is not allowed'],
		[`INSERT OR REPLACE INTO t (a) VALUES (1);`, 'INSERT is not allowed'],
		['INSERT INTO t (a) SELECT 1;', 'INSERT is not allowed'],
		['BEGIN;', 'BEGIN is not allowed'],
		[`PRAGMA temp_store_directory='/tmp';`, 'PRAGMA temp_store_directory is not allowed'],
		['PRAGMA writable_schema=ON;', 'PRAGMA writable_schema is not allowed'],
		['CREATE TEMP TABLE t (a);', 'it makes something temporary'],
		['CREATE VIRTUAL TABLE t USING dbstat;', 'virtual tables of dbstat are not allowed'],
		[
			'CREATE VIRTUAL TABLE "USING fts5" USING/* */"csv"(filename="/etc/passwd");',
			'virtual tables of csv are not allowed',
		],
		['INSERT INTO t VALUES (1);', 'it does not name its columns'],
		[`INSERT INTO t (a) VALUES (load_extension('x'));`, 'its values are not all literals'],
		[`INSERT INTO t (a) VALUES ("load_extension"/**/('x'));`, 'its values are not all literals'],
		[`INSERT INTO t (a) VALUES (1/*'*/,writefile('x',1)/*'*/);`, 'its values are not all literals'],
		[`INSERT INTO t (a) VALUES (1,--'\nedit(1)--'\n);`, 'its values are not all literals'],
		[`INSERT INTO t (a) VALUES ((SELECT a FROM u));`, 'its values are not all literals'],
		[`INSERT INTO t (a) VALUES ($a(');ATTACH(1)--'));`, 'its values are not all literals'],
	] as const)('%s', ([sql, reason]) => expect(why(sql)).toBe(reason));
});
