// The process that runs workerd for ./database.ts, and ends with the process that started it. It is
// separate because Ctrl-C reaches every process of a terminal's group and must not stop the database in
// the middle of a restore, and because wrangler takes a second to load.
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unstable_readConfig, unstable_startWorker } from 'wrangler';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { DatabaseChoice, HostMessage } from './database.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const COMPATIBILITY_DATE = '2026-11-01';

process.once('disconnect', () => process.exit());
const [, , choice = ''] = process.argv;
try {
	const url = await start(JSON.parse(choice) as DatabaseChoice);
	tell({ url: url.href });
} catch (error) {
	if (error instanceof LifeboatError) tell({ refused: error.toJSON() });
	else tell({ failed: error instanceof Error ? causes(error) : String(error) });
}

async function start(database: DatabaseChoice): Promise<URL> {
	const remote = database.kind === 'remote';
	const id = databaseId(database);
	if (database.kind !== 'remote') tell({ file: fileOf(database.persistTo, id) });
	const worker = await unstable_startWorker({
		name: 'lifeboat-restore',
		entrypoint: WORKER,
		compatibilityDate: COMPATIBILITY_DATE,
		bindings: {
			DB: { type: 'd1', database_id: id, ...(remote ? { remote } : {}) },
			TOKEN: { type: 'plain_text', value: process.env['LIFEBOAT_TOKEN'] ?? '' },
		},
		dev: {
			persist: database.kind === 'remote' ? false : database.persistTo,
			...(remote ? {} : { remote: false }),
			server: { hostname: '127.0.0.1', port: 0 },
			inspector: false,
			logLevel: 'none',
			watch: false,
			envFiles: [],
		},
	});
	const failed = once(worker.raw, 'error').then(([event]) => {
		throw event.cause ?? event;
	});
	await Promise.race([worker.fetch('http://host'), failed]); // worker.ready does not wait for the database
	return worker.url;
}

/** An entry of wrangler.toml, for which wrangler's own type is `any`. */
interface ConfiguredDatabase {
	binding: string;
	database_id?: string;
	preview_database_id?: string;
}

/** The id by which wrangler's own commands find a database in a folder too. */
function databaseId(database: DatabaseChoice): string {
	if (database.kind === 'remote') return database.id;
	if (database.kind === 'new') return 'new';
	const { d1_databases } = unstable_readConfig({}) as { d1_databases: ConfiguredDatabase[] };
	const entry = d1_databases.find(({ binding }) => binding === 'DB');
	if (!entry) throw noDatabase();
	return entry.preview_database_id ?? entry.database_id ?? entry.binding;
}

/**
 * Where the embedded D1 keeps a database: it is a Durable Object, whose file carries the id that
 * workerd derives from its name (workerd, actor-id-impl.c++).
 */
function fileOf(persistTo: string, id: string): string {
	const namespace = 'miniflare-D1DatabaseObject';
	const key = createHash('sha256').update(namespace).digest();
	const hmac = (data: string | Buffer) =>
		createHmac('sha256', key).update(data).digest().subarray(0, 16);
	const name = hmac(id);
	const object = Buffer.concat([name, hmac(name)]).toString('hex');
	return join(persistTo, 'v3', 'd1', namespace, `${object}.sqlite`);
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
