// The process that runs workerd for ./database.ts, and ends with the process that started it. It is
// separate because Ctrl-C reaches every process of a terminal's group and must not stop the database in
// the middle of a restore, and because Miniflare and wrangler take a while to load.
import { LifeboatError } from '../../lib/server/errors.ts';
import type { DatabaseChoice, HostMessage } from './database.ts';
import { configuredId } from './configured.ts';
import { fileOf } from './file.ts';
import { startLocal } from './local.ts';

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
	const id = database.kind === 'new' ? 'new' : await configuredId(database.binding);
	tell({ file: fileOf(database.persistTo, id) });
	return startLocal(database.persistTo, id, token);
}

/** An error's message and those of its causes: wrangler puts the reason into the last one. */
function causes(error: Error): string {
	return error.cause instanceof Error ? `${error.message}: ${causes(error.cause)}` : error.message;
}

function tell(message: HostMessage): void {
	process.send?.(message);
}
