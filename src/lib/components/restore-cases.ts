import type { RestoreFacts } from './detail-types.ts';

/** How long D1 keeps every minute of a database on the paid plan, in milliseconds (D1 > Time Travel). */
const TIME_TRAVEL_MS = 30 * 24 * 3_600_000;

/** A case of docs/restore.md, with its commands. Capitals stand for what only the reader knows. */
export interface RestoreCase {
	id: string;
	title: string;
	/** When it is the right one, and what it does. */
	about: string;
	/** Lines for a shell, each to be run after the one before. */
	commands: string[];
}

/**
 * The commands for this backup, one case after the other; the first one, into a new database, is right unless
 * the reader knows better. None of them replaces anything before its reader has typed the name of the target.
 */
export function restoreCases(facts: RestoreFacts, now: number): RestoreCase[] {
	return [
		intoNewDatabase(facts),
		intoFile(facts),
		tablesOnly(facts),
		wholeDatabase(facts),
		...timeTravel(facts, now),
		fromBucket(facts),
		standardTools(facts),
		drill(facts),
	];
}

function intoNewDatabase(facts: RestoreFacts): RestoreCase {
	const target = `${facts.database ?? 'lifeboat'}-restored`;
	return {
		id: 'new',
		title: 'Into a new database',
		about:
			'The safest way out of any disaster: the old database stays, and you can look at the new one before the app uses it. Then put its database_id into wrangler.toml and deploy.',
		commands: [`npx wrangler d1 create ${target}`, restore(facts, `remote:${target}`)],
	};
}

function intoFile(facts: RestoreFacts): RestoreCase {
	return {
		id: 'file',
		title: 'Into a file, to look at it',
		about: 'Restores into an SQLite file on your machine. Nothing of the app is touched.',
		commands: [restore(facts, 'restored.db')],
	};
}

function tablesOnly(facts: RestoreFacts): RestoreCase {
	const options = 'remote:DATABASE --tables TABLE_A,TABLE_B';
	return {
		id: 'tables',
		title: 'Rows of some tables are gone or wrong',
		about:
			'Gives these tables the rows of the backup, and leaves all others alone. DATABASE is the name that `npx wrangler d1 list` shows. The first command only says what would change; the second asks before it changes anything.',
		commands: [restore(facts, `${options} --dry-run`), restore(facts, options)],
	};
}

function wholeDatabase(facts: RestoreFacts): RestoreCase {
	return {
		id: 'replace',
		title: 'Everything is wrong',
		about:
			'Replaces a database. Stop the app first. The first command only says what would change; the second asks for the name of the database, and saves what is there.',
		commands: [
			restore(facts, 'remote:DATABASE --replace --dry-run'),
			restore(facts, 'remote:DATABASE --replace'),
		],
	};
}

/** None once D1 has forgotten the time of the backup. */
function timeTravel({ startedAt, bookmark }: RestoreFacts, now: number): RestoreCase[] {
	if (now - Date.parse(startedAt) > TIME_TRAVEL_MS) return [];
	const point = bookmark ? `--bookmark ${bookmark}` : `--timestamp ${startedAt}`;
	return [
		{
			id: 'time-travel',
			title: 'Time Travel, without the backup',
			about:
				'D1 itself can go back to the moment of this backup, for 30 days (free plan: 7). It does so in place: everything since then is lost. It prints the bookmark that undoes it.',
			commands: [`npx wrangler d1 time-travel restore DATABASE ${point}`],
		},
	];
}

function fromBucket(facts: RestoreFacts): RestoreCase {
	const { name, files, objects, database } = facts;
	const [target, source] = [
		'lifeboat-restored',
		files.length === 1 ? files[0] : `${name}.manifest.json`,
	];
	const prefix = database === null ? '' : 'PREFIX/';
	return {
		id: 'bucket',
		title: 'The app is down',
		about: `Takes the files straight from the bucket. BUCKET is its name${prefix && ', and PREFIX that of the database, unless it is the first one'}.`,
		commands: [
			...objects.map(
				(key) => `npx wrangler r2 object get 'BUCKET/${prefix}${key}' --remote --file '${key}'`,
			),
			`npx wrangler d1 create ${target}`,
			`npm run restore -- ${source} --to remote:${target}${identityOf(facts)}`,
		],
	};
}

function standardTools({ files }: RestoreFacts): RestoreCase {
	const opened = files.map(openedBy);
	const all = opened.length === 1 ? opened[0] : `{ ${opened.join('; ')}; }`;
	return {
		id: 'tools',
		title: 'With standard tools alone',
		about:
			'Needs nothing of this project. Download the files of this backup first. KEY is the file with the identity that opens an encrypted one.',
		commands: [
			`${all} > backup.sql`,
			'sqlite3 restored.db < backup.sql',
			"sqlite3 restored.db 'PRAGMA quick_check; PRAGMA foreign_key_check'",
		],
	};
}

function drill(facts: RestoreFacts): RestoreCase {
	const { name, app } = facts;
	return {
		id: 'drill',
		title: 'Nothing happened, and you want to know that it restores',
		about:
			'Restores into a new database on your machine, compares every row, and records the result here.',
		commands: [
			`npm run drill -- ${name} --from ${app}${databaseOf(facts)}${identityOf(facts)} --record`,
		],
	};
}

function restore(facts: RestoreFacts, target: string): string {
	const { name, app } = facts;
	return `npm run restore -- ${name} --from ${app}${databaseOf(facts)} --to ${target}${identityOf(facts)}`;
}

function databaseOf({ database }: RestoreFacts): string {
	return database === null ? '' : ` --database ${database}`;
}

function identityOf({ files }: RestoreFacts): string {
	return files.some((file) => file.endsWith('.age')) ? ' --identity KEY' : '';
}

/** A command that prints the SQL of a file: undoes its encodings, from the end of its name. */
function openedBy(file: string): string {
	const isEncrypted = file.endsWith('.age');
	const inner = isEncrypted ? file.slice(0, -'.age'.length) : file;
	const unpack = inner.endsWith('.gz') ? 'gunzip' : inner.endsWith('.zst') ? 'zstd -d' : null;
	if (isEncrypted) return `age -d -i KEY '${file}'${unpack ? ` | ${unpack}` : ''}`;
	return unpack ? `${unpack} < '${file}'` : `cat '${file}'`;
}
