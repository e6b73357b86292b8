// The process that runs workerd for ./database.ts, and ends with the process that started it. It is
// separate because Ctrl-C reaches every process of a terminal's group and must not stop the database in
// the middle of a restore, and because Miniflare and wrangler take a while to load.
import { LifeboatError } from '../../lib/server/errors.ts';
import type { DatabaseChoice, HostMessage } from './database.ts';
import { fileOf, startLocal } from './local.ts';

process.once('disconnect', () => process.exit());
const [, , choice = ''] = process.argv;
try {
	const url = await start(JSON.parse(choice) as DatabaseChoice);
	tell({ url: url.href });
} catch (error) {
	if (error instanceof LifeboatError) tell({ refused: error.toJSON() });
	else tell({ failed: error instanceof Error ? causes(error) : String(error) });
}

/** Loads wrangler only where it is needed: that takes longer than to start workerd. */
async function start(database: DatabaseChoice): Promise<URL> {
	const token = process.env['LIFEBOAT_TOKEN'] ?? '';
	if (database.kind === 'remote') {
		const { startRemote } = await import('./remote.ts');
		return startRemote(database.id, token);
	}
	const id = database.kind === 'new' ? 'new' : await configuredId();
	tell({ file: fileOf(database.persistTo, id) });
	return startLocal(database.persistTo, id, token);
}

/** An entry of wrangler.toml, for which wrangler's own type is `any`. */
interface ConfiguredDatabase {
	binding: string;
	database_id?: string;
	preview_database_id?: string;
}

/** The id by which wrangler's own commands find the database of wrangler.toml in a folder too. */
async function configuredId(): Promise<string> {
	const { unstable_readConfig } = await import('wrangler');
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

/** An error's message and those of its causes: wrangler puts the reason into the last one. */
function causes(error: Error): string {
	return error.cause instanceof Error ? `${error.message}: ${causes(error.cause)}` : error.message;
}

function tell(message: HostMessage): void {
	process.send?.(message);
}
