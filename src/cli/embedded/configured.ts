import { LifeboatError } from '../../lib/server/errors.ts';
import { type ConfiguredDatabase, configuredDatabases } from './configured-databases.ts';

/** The usual binding of the app's database, which is used if there are several. */
const USUAL = 'DB';
/** The usual binding of the database for drills, which nobody restores into. */
const DRILLS = 'DRILL_DB';

/**
 * The id by which wrangler's own commands find a database of wrangler.toml, wrangler.json or
 * wrangler.jsonc in a folder too: the one with this binding, else the only one, else `DB`. Throws
 * `db_binding_missing` (500), `db_binding_unclear` (400).
 */
export async function configuredId(binding?: string): Promise<string> {
	const { preview_database_id, database_id, ...entry } = choose(
		await configuredDatabases(),
		binding,
	);
	return preview_database_id ?? database_id ?? entry.binding;
}

function choose(all: ConfiguredDatabase[], binding: string | undefined): ConfiguredDatabase {
	const others = all.filter((entry) => entry.binding !== DRILLS);
	const isOnly = binding === undefined && others.length === 1;
	const name = binding ?? USUAL;
	const entry = isOnly ? others[0] : all.find((one) => one.binding === name);
	if (entry) return entry;
	if (binding === undefined && others.length > 1) throw unclear(others);
	throw noDatabase(binding);
}

function unclear(entries: ConfiguredDatabase[]): LifeboatError {
	const names = entries.map(({ binding }) => binding).join(', ');
	return new LifeboatError("Wrangler's configuration has several D1 databases.", {
		code: 'db_binding_unclear',
		status: 400,
		hint: `Name one with --binding: ${names}.`,
	});
}

function noDatabase(binding: string | undefined): LifeboatError {
	const which = binding === undefined ? 'a D1 database' : `a D1 database bound to ${binding}`;
	return new LifeboatError(
		`There is no wrangler.toml, wrangler.json or wrangler.jsonc here with ${which}.`,
		{
			code: 'db_binding_missing',
			status: 500,
			hint: 'Run this in the folder of the app.',
		},
	);
}
