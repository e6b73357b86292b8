import { LifeboatError } from '../../lib/server/errors.ts';
import { loadWrangler } from './wrangler.ts';

/** An entry of wrangler.toml, for which wrangler's own type is `any`. */
interface ConfiguredDatabase {
	binding: string;
	database_id?: string;
	preview_database_id?: string;
}

/**
 * The id by which wrangler's own commands find the database `DB` of wrangler.toml in a folder too. Throws
 * `db_binding_missing` (500).
 */
export async function configuredId(): Promise<string> {
	const { unstable_readConfig } = loadWrangler();
	const { d1_databases } = unstable_readConfig({}) as { d1_databases: ConfiguredDatabase[] };
	const entry = d1_databases.find(({ binding }) => binding === 'DB');
	if (!entry) throw noDatabase();
	return entry.preview_database_id ?? entry.database_id ?? entry.binding;
}

function noDatabase(): LifeboatError {
	return new LifeboatError('There is no wrangler.toml here with a D1 database bound to DB.', {
		code: 'db_binding_missing',
		status: 500,
		hint: 'Run this in the folder of the app.',
	});
}
