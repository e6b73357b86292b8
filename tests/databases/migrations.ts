import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { type Draw, pick, some, upTo } from './draw.ts';

// Random scripts in the manner of the migrations that drizzle and prisma write, with rows in between. All
// of it is known to SQLite 3.40.

const TABLES = ['users', 'posts', 'tags', 'orders'];
const COLUMNS = ['name', 'email', 'n', 'created_at', 'note'];
const TYPES = ['TEXT', 'INTEGER', 'REAL', 'BLOB', 'numeric', ''];
const VALUES = [
	...['NULL', '1', '-7', '2.5', "'text'", "'it''s; -- no remark'", "X'00FF'", '"quoted"'],
	...["'two\nlines'", '9007199254740993', "'é🚣'", "'BEGIN;'", '1e300', "''", "X''"],
];
const REMARKS = [
	'\n',
	'\n\n',
	'\n--> statement-breakpoint\n',
	"\n-- RedefineTables; it's\n",
	' /* ; */ ',
];

/** A script of statements that SQLite takes, one after another. */
export function scripts(): fc.Arbitrary<string> {
	return fc.gen().map((draw) => new Script(draw).print());
}

/** Builds a script, and tries each statement, so that the next ones fit what there is. */
class Script {
	readonly #draw: Draw;
	readonly #database = new DatabaseSync(':memory:', {
		enableForeignKeyConstraints: false,
		enableDoubleQuotedStringLiterals: true,
	});
	readonly #statements: string[] = [];
	#made = 0;

	constructor(draw: Draw) {
		this.#draw = draw;
	}

	print(): string {
		const steps = this.#number(4, 24);
		this.#create();
		for (let step = 0; step < steps; step++) this.#step();
		if (this.#database.isTransaction) this.#try('COMMIT');
		this.#database.close();
		const end = this.#one(['', ';', ';\n']);
		return this.#statements.reduce((text, sql) => `${text};${this.#one(REMARKS)}${sql}`) + end;
	}

	#step(): void {
		const steps = [
			() => this.#create(),
			() => this.#insert(),
			() => this.#insert(),
			() => this.#insert(),
			() => this.#copy(),
			() => this.#change(),
			() => this.#drizzle(),
			() => this.#prisma(),
			() => this.#alter(),
			() => this.#derive(),
			() => this.#object(),
			() => this.#transaction(),
			() => this.#setting(),
		];
		this.#one(steps)();
	}

	/** Keeps a statement if SQLite takes it. */
	#try(sql: string): boolean {
		try {
			this.#database.exec(sql);
		} catch {
			return false;
		}
		this.#statements.push(this.#one([sql, sql, sql.replace(/^\w+/, (word) => word.toLowerCase())]));
		return true;
	}

	#create(name = this.#one(TABLES)): boolean {
		const columns = this.#some(COLUMNS).map((column) => {
			const constraint = this.#one(['', '', '', ' NOT NULL DEFAULT 0', ' UNIQUE', " DEFAULT 'd'"]);
			return `"${column}" ${this.#one(TYPES)}${constraint}`;
		});
		const key = this.#one([
			'id INTEGER PRIMARY KEY',
			'`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL',
			'id text',
		]);
		const other = this.#one(TABLES);
		const reference = this.#one(['', `, "ref" INTEGER REFERENCES ${other} (id) ON DELETE CASCADE`]);
		return this.#try(
			`CREATE TABLE ${this.#one(['', 'IF NOT EXISTS '])}${name} (${[key, ...columns].join(', ')}${reference})`,
		);
	}

	#insert(): void {
		const table = this.#table();
		const columns = this.#columns(table);
		const named = this.#one([true, false]);
		const chosen = named ? this.#some(columns) : columns;
		const row = () => `(${chosen.map(() => this.#one(VALUES)).join(',')})`;
		const rows = Array.from({ length: this.#number(1, 4) }, row).join(',');
		const verb = this.#one([
			'INSERT',
			'INSERT',
			'INSERT OR REPLACE',
			'INSERT OR IGNORE',
			'REPLACE',
		]);
		const list = named ? ` (${chosen.map((name) => `"${name}"`).join(',')})` : '';
		const [first = 'id'] = chosen;
		const upsert =
			verb === 'INSERT' && chosen.includes('id')
				? this.#one([
						'',
						` ON CONFLICT DO NOTHING`,
						` ON CONFLICT (id) DO UPDATE SET "${first}"=excluded."${first}"`,
					])
				: '';
		this.#try(`${verb} INTO ${this.#one(['', 'main.'])}"${table}"${list} VALUES ${rows}${upsert}`);
	}

	#copy(): void {
		const [from, to] = [this.#table(), this.#table()];
		const [source, target] = [this.#columns(from), this.#columns(to)];
		const count = Math.min(source.length, target.length, this.#number(1, 3));
		const list = (names: string[]) =>
			names
				.slice(-count)
				.map((name) => `"${name}"`)
				.join(', ');
		this.#try(
			`INSERT OR IGNORE INTO "${to}" (${list(target)}) SELECT ${list(source)} FROM "${from}" LIMIT 5`,
		);
	}

	#change(): void {
		const table = this.#table();
		const column = this.#one(this.#columns(table));
		const where = this.#one(['', ' WHERE rowid % 2 = 0', ` WHERE "${column}" IS NULL`]);
		this.#try(
			this.#one([
				`UPDATE "${table}" SET "${column}" = ${this.#one(VALUES)}${where}`,
				`UPDATE OR IGNORE "${table}" SET "${column}" = "${column}" || 'x'${where}`,
				`DELETE FROM "${table}"${where}`,
			]),
		);
	}

	/** As drizzle-kit changes a table: made anew, filled, renamed. */
	#drizzle(): void {
		const table = this.#table();
		const columns = this.#columns(table);
		this.#try('PRAGMA foreign_keys=OFF');
		this.#rebuild(table, `__new_${table}`, columns);
		this.#try('PRAGMA foreign_keys=ON');
	}

	/** As prisma does. */
	#prisma(): void {
		const table = this.#table();
		this.#try('PRAGMA defer_foreign_keys=ON');
		this.#try('PRAGMA foreign_keys=OFF');
		this.#rebuild(table, `new_${table}`, this.#columns(table));
		this.#try('PRAGMA foreign_keys=ON');
		this.#try('PRAGMA defer_foreign_keys=OFF');
	}

	#rebuild(table: string, copy: string, columns: string[]): void {
		const definitions = columns.map((name) =>
			name === 'id' ? '`id` integer PRIMARY KEY' : `\`${name}\``,
		);
		const list = columns.map((name) => `"${name}"`).join(', ');
		if (!this.#try(`CREATE TABLE \`${copy}\` (\n\t${definitions.join(',\n\t')}\n)`)) return;
		this.#try(`INSERT OR IGNORE INTO \`${copy}\`(${list}) SELECT ${list} FROM \`${table}\``);
		if (this.#try(`DROP TABLE \`${table}\``))
			this.#try(`ALTER TABLE \`${copy}\` RENAME TO \`${table}\``);
	}

	#alter(): void {
		const table = this.#table();
		const column = this.#one(this.#columns(table));
		const name = `renamed_${++this.#made}`;
		this.#try(
			this.#one([
				`ALTER TABLE "${table}" RENAME TO ${name}`,
				`ALTER TABLE "${table}" RENAME COLUMN "${column}" TO ${name}`,
				`ALTER TABLE "${table}" ADD COLUMN ${name} TEXT DEFAULT 'added'`,
				`ALTER TABLE "${table}" ADD ${name}`,
				`ALTER TABLE "${table}" DROP COLUMN "${column}"`,
				`DROP TABLE IF EXISTS "${table}"`,
			]),
		);
		if (this.#tables().length === 0) this.#create();
	}

	/** Tables that are made from rows. */
	#derive(): void {
		const table = this.#table();
		const name = `made_${++this.#made}`;
		const temporary = this.#one(['', '', 'TEMP ', 'TEMPORARY ']);
		this.#try(
			`CREATE ${temporary}TABLE ${name} AS SELECT * FROM "${table}" ${this.#one(['', 'LIMIT 2', 'WHERE 0'])}`,
		);
		if (temporary !== '') this.#try(`INSERT INTO "${table}" SELECT * FROM ${name}`);
	}

	#object(): void {
		const table = this.#table();
		const column = this.#one(this.#columns(table));
		const name = `object_${++this.#made}`;
		this.#try(
			this.#one([
				`CREATE INDEX ${name} ON "${table}" ("${column}")`,
				`CREATE UNIQUE INDEX ${name} ON "${table}" ("${column}") WHERE "${column}" IS NOT NULL`,
				`CREATE VIEW ${name} AS SELECT count(*) AS n, '; END' AS x FROM "${table}"`,
				`CREATE TRIGGER ${name} AFTER INSERT ON "${table}" WHEN (SELECT count(*) FROM "${table}") < 20 BEGIN UPDATE "${table}" SET "${column}" = CASE WHEN 1 THEN 'END;' END WHERE rowid = new.rowid; SELECT 1; END`,
				`CREATE TRIGGER ${name} BEFORE DELETE ON "${table}" BEGIN SELECT RAISE(IGNORE); END`,
				`CREATE VIRTUAL TABLE ${name} USING fts5(text)`,
				`DROP VIEW IF EXISTS object_${this.#number(1, this.#made)}`,
				`DROP TRIGGER IF EXISTS object_${this.#number(1, this.#made)}`,
			]),
		);
		this.#try(`INSERT INTO ${name} (text) SELECT "${column}" FROM "${table}" LIMIT 3`);
	}

	#transaction(): void {
		const within = this.#database.isTransaction;
		this.#try(
			within
				? this.#one(['COMMIT', 'END TRANSACTION', 'ROLLBACK'])
				: this.#one(['BEGIN', 'BEGIN TRANSACTION']),
		);
		// A rolled back table may have been the only one.
		if (this.#tables().length === 0) this.#create();
	}

	#setting(): void {
		this.#try(
			this.#one([
				`PRAGMA user_version = ${this.#number(0, 9)}`,
				'PRAGMA recursive_triggers = ON',
				'PRAGMA case_sensitive_like = ON',
				'PRAGMA legacy_alter_table = ON',
				'PRAGMA journal_mode = MEMORY',
				'PRAGMA table_list',
				'SELECT count(*) FROM sqlite_schema',
				'EXPLAIN QUERY PLAN SELECT 1',
				'VACUUM',
				'ANALYZE',
				'REINDEX',
			]),
		);
	}

	#tables(): string[] {
		const sql = `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`;
		return this.#database
			.prepare(sql)
			.all()
			.map(({ name }) => String(name));
	}

	#table(): string {
		return this.#one(this.#tables());
	}

	#columns(table: string): string[] {
		const rows = this.#database.prepare('SELECT name FROM pragma_table_info(?)').all(table);
		return rows.map(({ name }) => String(name));
	}

	#one<T>(values: readonly T[]): T {
		return pick(this.#draw, values);
	}

	#some<T>(values: readonly T[]): T[] {
		const chosen = some(this.#draw, values);
		return chosen.length > 0 ? chosen : values.slice(0, 1);
	}

	#number(from: number, to: number): number {
		return from + upTo(this.#draw, to - from);
	}
}
